//! How many of the first N numbers of a sequence are distinct.

fn sequence(length: u32) -> impl Iterator<Item = u32> {
    (0..length).map(|number| number.wrapping_mul(7919) % 4001)
}

fn distinct(numbers: impl Iterator<Item = u32>) -> usize {
    let mut seen = Vec::new();
    for number in numbers {
        if !seen.contains(&number) {
            seen.push(number);
        }
    }
    seen.len()
}

fn main() {
    let length = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(40_000);
    println!("{}", distinct(sequence(length)));
}

#[test]
fn repeated_numbers_count_once() {
    assert_eq!(distinct([3, 1, 3, 2, 1].into_iter()), 3);
}
