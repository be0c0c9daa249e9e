#!/bin/sh
# make-certificates.sh FOLDER: own.pem and own.key, good for localhost; old.pem and old.key, expired. Each
# vouches for itself.
set -eu
cd "$1"
for name in own old; do
    openssl req -newkey rsa:2048 -nodes -keyout $name.key -out $name.csr -subj /CN=localhost
done >/dev/null 2>&1
printf '[ca]\ndefault_ca=c\n[c]\ndatabase=index.txt\nserial=serial\nnew_certs_dir=.\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n[x]\nsubjectAltName=DNS:localhost\nbasicConstraints=CA:TRUE\n' >ca.cnf
: >index.txt
echo 01 >serial
sign() { # NAME START END
    openssl ca -batch -config ca.cnf -selfsign -keyfile "$1.key" -in "$1.csr" -out "$1.pem" -startdate "$2" \
        -enddate "$3" -extensions x -notext >/dev/null 2>&1
    : >index.txt
}
sign own 20200101000000Z 20991231000000Z
sign old 20200101000000Z 20210101000000Z
