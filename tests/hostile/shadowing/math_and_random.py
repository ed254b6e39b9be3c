# attack: Files math.py, random.py and numpy.py beside the notebook leave their mark when imported.
# expect: double passed, half passed
# never: file

# %% file math.py
open("@HOME@/@MARK@-math", "w")

# %% file random.py
open("@HOME@/@MARK@-random", "w")
def randint(a, b): return a

# %% file numpy.py
open("@HOME@/@MARK@-numpy", "w")
