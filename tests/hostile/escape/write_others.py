# attack: The answer overwrites another student's submission, the course's notebooks and settings.
# expect: half passed
# never: file, neighbour

# %% half
def half(x):
    return x / 2
for path in (
    "@NEIGHBOUR@",
    "@COURSE@/submitted/zoe/tiny/@MARK@",
    "@COURSE@/solutions/tiny/@MARK@.py",
    "@COURSE@/notebooks/tiny/@MARK@.py",
    "@COURSE@/autograded/zoe/@MARK@",
    "@HOME@/.bashrc",
    "@HOME@/.profile",
):
    try:
        with open(path, "a") as file:
            file.write("x")
    except OSError:
        pass
