# attack: The same in the answer that a person reads.
# expect: double passed, half passed
# never: page

# %% edit
def edit(notebook):
    for cell in notebook["cells"]:
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == "essay":
            cell["source"] = (
                "<script>@MARK@</script><img src=x onerror=@MARK@> <b onclick='@MARK@'>b</b>\n"
                "<img src='https&#58;//@MARK@.example/a.png'><img src='&#47;/@MARK@.example'>\n"
                "$\\href{javascript:@MARK@}{x}$ <details ontoggle=@MARK@ open>\n"
                "```<script>@MARK@</script>\n![x](//@MARK@.example)"
            )
            cell["attachments"] = {"@MARK@.svg": {"image/svg+xml": "<svg onload='@MARK@'/>"}}
