// How many of the first N numbers of a sequence are distinct.

function* sequence(length) {
  for (let number = 0; number < length; number++) yield (number * 7919) % 4001;
}

function distinct(numbers) {
  const seen = [];
  for (const number of numbers) if (!seen.includes(number)) seen.push(number);
  return seen.length;
}

module.exports = { distinct };

if (require.main === module) console.log(distinct(sequence(Number(process.argv[2] ?? 120000))));
