# What is no index, a cut one, one of another version: one line each.
echo '{"title":"Ghana","text":"Its flag has a black star."}' >c.jsonl
"$T" index build --corpus c.jsonl --out good.db --quiet >/dev/null
head -c 10000 good.db >cut.db
cp good.db newer.db
printf '\002' | dd of=newer.db bs=1 seek=63 conv=notrunc 2>/dev/null
echo "no index" >text.db
for file in cut.db newer.db text.db absent.db c.jsonl; do
    "$T" index search $file flag
    echo $?
done 2>&1
"$T" index build --corpus nowhere.jsonl --out x.db 2>&1
echo '{"text":7}' >bad.jsonl
"$T" index build --corpus bad.jsonl --out x.db 2>&1
(ulimit -f 1; trap '' XFSZ; "$T" index build --corpus c.jsonl --out x.db 2>&1) | cat
ls
