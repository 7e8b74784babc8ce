"""How many of the first N numbers of a sequence are distinct."""

import sys


def sequence(length):
    return (number * 7919 % 4001 for number in range(length))


def distinct(numbers):
    seen = []
    for number in numbers:
        if number not in seen:
            seen.append(number)
    return len(seen)


if __name__ == "__main__":
    print(distinct(sequence(int(sys.argv[1]) if len(sys.argv) > 1 else 8000)))
