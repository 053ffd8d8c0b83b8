# database.sh postgres|mariadb PROGRAM FOLDER: becomes this server of databases, which keeps what it has in the folder.
set -eu
kind=$1 program=$2 folder=$3
if [ "$(id -u)" = 0 ]; then
  # None of them runs as root.
  install -d -o nobody -g nogroup "$folder"
  exec setpriv --reuid=nobody --regid=nogroup --clear-groups sh "$0" "$@"
fi
mkdir -p "$folder"
case $kind in
postgres)
  # What is there is of one that did not come up.
  rm -rf "$folder/data"
  "${program%postgres}initdb" --pgdata="$folder/data" --auth=trust --username=keeper --no-sync >&2
  # As the image of PostgreSQL has it: others than this machine are let in.
  echo 'host all all all trust' >>"$folder/data/pg_hba.conf"
  exec "$program" -D "$folder/data" -k "$folder" -c 'listen_addresses=*' -c fsync=off
  ;;
mariadb)
  # Without tables of rights everybody may do everything, and there is nothing to install first.
  exec "$program" --no-defaults --skip-grant-tables --datadir="$folder" --socket="$folder/socket" \
    --pid-file="$folder/pid" --bind-address='*'
  ;;
esac
