# attack: A folder nbproctor beside the notebook, with a student end that says what it likes.
# expect: double failed, half passed
# never: marks, file

# %% double
def double(x):
    return x

# %% file nbproctor/__init__.py
open("@HOME@/@MARK@-nbproctor", "w")

# %% file nbproctor/remote/student.py
def serve(path, namespace):
    open("@HOME@/@MARK@-student", "w")

# %% file nbproctor/remote/judge.py
open("@HOME@/@MARK@-judge", "w")
