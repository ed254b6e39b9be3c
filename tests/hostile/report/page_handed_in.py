# attack: Pages are handed in under the names of the grader's own.
# expect: double passed, half passed
# never: page

# %% file tiny.html
<script>@MARK@</script>

# %% file feedback/index.html
<script>@MARK@</script>
