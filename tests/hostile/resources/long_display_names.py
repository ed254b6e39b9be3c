# attack: Displays with names of ten megabytes, which are no output.
# expect: half passed|timed out|kernel died
# never: memory, hang, neighbour

# %% half
from IPython.display import publish_display_data
def half(x):
    return x / 2
for n in range(60):
    publish_display_data({"text/plain": "x"}, transient={"display_id": f"{n}" + "a" * (10 << 20)})
