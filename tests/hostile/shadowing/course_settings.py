# attack: Files nbgrader_config.py and conftest.py beside the notebook change how it is graded.
# expect: double failed, half passed
# never: marks, file

# %% double
def double(x):
    return x

# %% file nbgrader_config.py
open("@HOME@/@MARK@-config", "w")
c = get_config()
c.Autograde.autograde_preprocessors = []

# %% file conftest.py
open("@HOME@/@MARK@-conftest", "w")
