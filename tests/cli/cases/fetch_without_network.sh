mkdir bin
printf '#!/bin/sh\necho no network >&2\nexit 1\n' >bin/python3
chmod +x bin/python3
PATH=$PWD/bin:$PATH "$T" model fetch
code=$?
ls "$HOME/.local/share/toolformer/models"
exit $code
