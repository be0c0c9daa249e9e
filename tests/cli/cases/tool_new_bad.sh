"$T" tool new 9lives
echo "exit $?"
"$T" tool new A --http https://example.org --command x
echo "exit $?"
"$T" tool new A --out no/such/folder.json
