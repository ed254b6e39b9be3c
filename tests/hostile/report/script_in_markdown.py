# attack: Scripts, event handlers, styles and frames in markdown of the learner's own.
# expect: double passed, half passed
# never: page

# %% own markdown
<script>alert("@MARK@")</script> <img src=x onerror="alert('@MARK@')">
<style>@import "https://@MARK@.example";</style> <iframe src="https://@MARK@.example"></iframe>
<svg onload=alert("@MARK@")> <a href="javascript:@MARK@">here</a> [there](javascript:@MARK@)
<a href="data:text/html,@MARK@">data</a> <base href="//@MARK@.example"> <form action=//@MARK@.example>
![picture](https://@MARK@.example/a.png) <math><mtext><style><img src=//@MARK@ onerror=@MARK@></style>
