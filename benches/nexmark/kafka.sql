-- Behind tables.sql: the same events from a topic of ${KAFKA} that they were put into as JSON.
ALTER TABLE nexmark RESET ('events.num', 'first-event.rate');

ALTER TABLE nexmark SET (
    'connector' = 'kafka',
    'topic' = '${TOPIC}',
    'properties.bootstrap.servers' = '${KAFKA}',
    'scan.startup.mode' = 'earliest-offset',
    'scan.bounded.mode' = 'latest-offset',
    'format' = 'json'
);
