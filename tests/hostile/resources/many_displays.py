# attack: A hundred thousand displays and updates of displays.
# expect: half passed|failed|kernel died|timed out
# never: hang, neighbour

# %% half
from IPython.display import display
def half(x):
    return x / 2
handle = display("x", display_id=True)
for n in range(100_000):
    handle.update("y" * n)
    display("z" * 1000)
