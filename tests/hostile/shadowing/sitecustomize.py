# attack: Files sitecustomize.py and usercustomize.py beside the notebook run at Python's start.
# expect: double passed, half passed
# never: file

# %% file sitecustomize.py
open("@HOME@/@MARK@-site", "w")

# %% file usercustomize.py
open("@HOME@/@MARK@-user", "w")
