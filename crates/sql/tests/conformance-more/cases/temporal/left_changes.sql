-- case: a temporal join whose left side has updates and deletes
-- compare: changelog-final
SET 'parallelism.default' = '1';
SET 'pipeline.auto-watermark-interval' = '0 ms';
CREATE TABLE owners (parcel STRING, owner STRING, since TIMESTAMP(3), WATERMARK FOR since AS since - INTERVAL '20' MINUTE, PRIMARY KEY (parcel) NOT ENFORCED) WITH ('connector'='filesystem','format'='debezium-json','path'='${IN}/owners_cdc.jsonl');
SELECT o.parcel, o.owner, p.owner AS p2, o.since FROM owners o JOIN owners FOR SYSTEM_TIME AS OF o.since AS p ON o.parcel = p.parcel AND p.owner <> 'Lee';
SELECT owner, COUNT(*) AS n FROM (SELECT p.owner FROM owners o LEFT JOIN owners FOR SYSTEM_TIME AS OF o.since AS p ON o.parcel = p.parcel) GROUP BY owner;
SELECT o.parcel, p.owner FROM owners o LEFT JOIN owners FOR SYSTEM_TIME AS OF o.since AS p ON o.parcel = p.parcel;
