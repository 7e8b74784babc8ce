const assert = require("node:assert");
const test = require("node:test");
const { distinct } = require("./distinct.js");

test("repeated numbers count once", () => assert.equal(distinct([3, 1, 3, 2, 1]), 3));
