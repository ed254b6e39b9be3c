#!/bin/sh
# As root: three users, a course of the teacher's, an exchange, and an environment that all may read.
#
#     HUB=/opt/hub sh docs/trials/jupyterhub/prepare.sh
#
# `remove` as an argument takes the users and the folder away again.
set -eu
: "${HUB:?where everything goes, for example HUB=/opt/hub}"
users="hubteacher hubann hubbob"
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../../.." && pwd)

if [ "${1:-}" = remove ]; then
    for user in $users; do userdel --remove "$user" 2>/dev/null || true; done
    rm -rf "$HUB"
    exit
fi

mkdir -p "$HUB/etc" "$HUB/state"
chmod 755 "$HUB" "$HUB/etc"
chmod 700 "$HUB/state"

# Learners' servers run as themselves: a Python in somebody's home would be closed to them.
uv venv --quiet --python /usr/bin/python3 "$HUB/environment"
uv pip install --quiet --python "$HUB/environment/bin/python" --no-deps --require-hashes \
    -r "$project/requirements.lock"
uv pip install --quiet --python "$HUB/environment/bin/python" --no-deps "$project"
uv pip install --quiet --python "$HUB/environment/bin/python" jupyterhub configurable-http-proxy

for user in $users; do id "$user" >/dev/null 2>&1 || useradd --create-home "$user"; done
# Everybody may hand in; what others handed in, nobody but the teacher can list or read.
mkdir -p "$HUB/exchange"
chmod 777 "$HUB/exchange"
cat > "$HUB/etc/nbgrader_config.py" <<END
c = get_config()
c.Exchange.root = "$HUB/exchange"
c.CourseDirectory.course_id = "means"
END
as_teacher() { runuser -u hubteacher -- env HOME=/home/hubteacher "$@"; }
as_teacher "$HUB/environment/bin/nbproctor" init /home/hubteacher/means
as_teacher "$HUB/environment/bin/nbproctor" build --course /home/hubteacher/means
as_teacher mkdir -p /home/hubteacher/.jupyter
as_teacher tee /home/hubteacher/.jupyter/nbgrader_config.py <<END
c = get_config()
c.CourseDirectory.root = "/home/hubteacher/means"
END
