# Nothing is said, and nothing fails, when the reader has gone.
{ sleep 0.3; "$T" tool list; echo $? >code; } | true
cat code
