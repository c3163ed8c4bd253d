# Every source begins with a comment: a sentence that says what it is for.
FNR == 1 && !/^\/\* [^ -]/ { print FILENAME ":1: no sentence says what it is for"; bad = 1 }
END { exit bad }
