"""Takes memory until somebody stops it."""

taken = []
while True:
    taken.append(bytearray(1 << 20))
