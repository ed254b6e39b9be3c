# attack: The answer writes modules into its working folder and kills the kernel, for the next one.
# expect: double kernel died, half passed
# never: marks, neighbour

# %% double
import os
for name in ("ipykernel_launcher", "IPython", "json", "random", "sitecustomize", "nbproctor"):
    for place in (".", os.path.expanduser("~")):
        open(f"{place}/{name}.py", "w").write("import os; os._exit(3)")
os._exit(1)
