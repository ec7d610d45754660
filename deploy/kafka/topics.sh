#!/bin/sh
# Makes the topics that are missing: topics.sh BROKERS PARTITIONS. Topics that are there stay as they are.
# The number of partitions bounds that of workers, and cannot change while a topic is in use.
set -eu
brokers=$1 partitions=$2
hour=3600000 day=86400000

make() {
  topic=$1
  shift
  "${KAFKA_TOPICS:-/opt/kafka/bin/kafka-topics.sh}" --bootstrap-server "$brokers" --create --if-not-exists \
    --topic "$topic" --partitions "$partitions" --replication-factor 1 "$@"
}

# chunks of 8 MiB at most, kept for six hours and no more than 2 GB a partition: what the workers may fall behind
make media --config max.message.bytes=8454144 --config retention.ms=$((6 * hour)) --config retention.bytes=2000000000
# what was given up; 64 KiB more for the headers that say why
make media.dlq --config max.message.bytes=8519680 --config retention.ms=$((14 * day))
make sentiment --config retention.ms=$((7 * day))
