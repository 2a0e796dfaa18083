KBx0JKP3
# a comment
1 5
# and one
100
22 16 13 90 33 88 9 7 36 97 46 70 72 62 87