# attack: A post_run_cell hook sets the score and clears the error of each cell.
# expect: double failed, half failed
# never: marks

# %% double
from IPython.display import clear_output
def hook(result):
    clear_output()
    get_ipython().user_ns["score"] = 3
get_ipython().events.register("post_run_cell", hook)
def double(x):
    return x

# %% half
def half(x):
    return None
