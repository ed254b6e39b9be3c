# attack: The shell's run_cell_async is replaced: the kernel never calls the judge.
# expect: double kernel died, half kernel died
# never: marks, hang

# %% double
get_ipython().run_cell_async = lambda *args, **kwargs: None
