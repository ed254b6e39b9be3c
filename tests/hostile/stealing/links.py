# attack: Symbolic and hard links in the working folder lead to the grader's files.
# expect: half passed
# never: secret

# %% half
import os
def half(x):
    return x / 2
for n, target in enumerate(("@SOLUTION@", "@GRADEBOOK@", "@HOME@/notes.txt", "@NEIGHBOUR@")):
    for link in (os.symlink, os.link):
        try:
            link(target, f"{link.__name__}{n}")
            print(open(f"{link.__name__}{n}", "rb").read())
        except OSError as error:
            print(error)
