# postgres-image.sh PROGRAM: becomes the server, as the entrypoint of the image of PostgreSQL does: the first time, where
# there is nothing in PGDATA, it makes the databases first.
set -eu
program=$1
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA"
  chown nobody:nogroup "$PGDATA"
  exec setpriv --reuid=nobody --regid=nogroup --clear-groups sh "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  "${program%postgres}initdb" --auth=trust --username="$POSTGRES_USER" --no-sync >&2
  echo 'host all all all trust' >>"$PGDATA/pg_hba.conf"
fi
exec "$program" -k "$PGDATA" -c 'listen_addresses=*'
