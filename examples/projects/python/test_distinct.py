import unittest

from distinct import distinct


class Distinct(unittest.TestCase):
    def test_repeated_numbers_count_once(self):
        self.assertEqual(distinct([3, 1, 3, 2, 1]), 3)
