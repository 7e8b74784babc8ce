//! Reading evidence from bytes that nobody vouches for: size, encoding, duplicate keys, depth, numbers, schema.
//! Must not open files.
