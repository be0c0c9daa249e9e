mkdir empty
PATH=$PWD/empty "$T" model fetch
