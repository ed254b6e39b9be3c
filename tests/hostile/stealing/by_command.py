# attack: Shell commands print what the notebook may not.
# expect: half passed
# never: secret

# %% half
import subprocess
def half(x):
    return x / 2
get_ipython().system("cat @SOLUTION@ @HOME@/notes.txt; env")
print(subprocess.run(["cat", "@NEIGHBOUR@", "@COURSE@/notes.txt"], capture_output=True).stdout)
