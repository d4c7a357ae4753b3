# Makes a C string of a text file, line by line.
s/\\/\\\\/g
s/"/\\"/g
s/^ */"/
s/$/"/
