package nexmark;

import java.nio.charset.StandardCharsets;
import org.apache.flink.table.data.GenericRowData;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.data.StringData;
import org.apache.flink.table.data.TimestampData;

/**
 * The same events as crates/nexmark makes, for Flink: a value is a function of (seed, event
 * number, field). The checksum shows that they are the same; see Run.
 *
 * <p>Only what the benchmark uses: default proportions and sizes, any number of events, any rate.
 */
public final class Events {
    private static final long GAMMA = 0x9E3779B97F4A7C15L;
    private static final long BASE_TIME_MS = 1_436_918_400_000L;
    private static final int CYCLE = 50;
    private static final int PEOPLE = 1;
    private static final int AUCTIONS = 3;
    private static final long IN_FLIGHT = 100;
    private static final long ACTIVE = 1000;
    private static final long LEAD = 10;

    // Fields, in the order of draw.rs.
    private static final int FIRST_NAME = 1, LAST_NAME = 2, EMAIL = 3, CREDIT_CARD = 4, CITY = 5, STATE = 6,
            ITEM_NAME = 7, DESCRIPTION = 8, INITIAL_BID = 9, RESERVE = 10, EXPIRES = 11, SELLER = 12,
            CATEGORY = 13, AUCTION = 14, BIDDER = 15, PRICE = 16, CHANNEL = 17, URL = 18, EXTRA = 19;

    private static final String[] FIRST_NAMES = {
        "Peter", "Paul", "Luke", "John", "Saul", "Vicky", "Kate", "Julie", "Sarah", "Deiter", "Walter"};
    private static final String[] LAST_NAMES = {
        "Shultz", "Abrams", "Spencer", "White", "Bartels", "Walton", "Smith", "Jones", "Noris"};
    private static final String[] CITIES = {
        "Phoenix", "Los Angeles", "San Francisco", "Boise", "Portland", "Bend", "Redmond", "Seattle", "Kent",
        "Cheyenne"};
    private static final String[] STATES = {"AZ", "CA", "ID", "OR", "WA", "WY"};
    private static final String[] HOT_CHANNELS = {"Google", "Facebook", "Baidu", "Apple"};
    private static final long[] CENTS = {100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000};

    private final long seed;
    private final long eventsPerSecond;
    private long state;
    private final StringBuilder text = new StringBuilder();
    /** The addresses of channels, as nexmark-flink keeps them too: the same for all bids of a channel. */
    private final StringData[] urls = new StringData[10_004];

    public Events(long seed, long eventsPerSecond) {
        this.seed = seed;
        this.eventsPerSecond = eventsPerSecond;
    }

    private static long mix(long z) {
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    private void draw(long number, int field) {
        state = mix(seed + number * GAMMA) ^ mix(field * GAMMA);
    }

    private long next() {
        state += GAMMA;
        return mix(state);
    }

    private long below(long bound) {
        return multiplyHigh(next(), bound);
    }

    /** The upper half of an unsigned product (Java 17 has only the signed one). */
    private static long multiplyHigh(long x, long y) {
        return Math.multiplyHigh(x, y) + ((x >> 63) & y) + ((y >> 63) & x);
    }

    private long price() {
        long low = CENTS[(int) below(6)];
        return low + below(9 * low);
    }

    private void letters(int length) {
        for (int left = length; left > 0; left -= Math.min(left, 12)) {
            long bits = next() >>> 7;
            for (int i = 0; i < Math.min(left, 12); i++) {
                text.append((char) ('a' + bits % 26));
                bits /= 26;
            }
        }
    }

    private StringData text() {
        StringData data = StringData.fromString(text.toString());
        text.setLength(0);
        return data;
    }

    private StringData pick(String[] from, long number, int field) {
        draw(number, field);
        return StringData.fromString(from[(int) below(from.length)]);
    }

    private StringData extra(long number, long mean) {
        draw(number, EXTRA);
        long fifth = mean / 5;
        letters((int) (mean - fifth + below(2 * fifth + 1)));
        return text();
    }

    public long timestampMs(long number) {
        return BASE_TIME_MS + number * 1000 / eventsPerSecond;
    }

    private static long lastPerson(long number) {
        return number / CYCLE;
    }

    private static long lastAuction(long number) {
        long cycle = number / CYCLE, offset = number % CYCLE;
        if (offset < PEOPLE) {
            return Math.max(cycle * AUCTIONS - 1, 0);
        }
        return cycle * AUCTIONS + Math.min(offset - PEOPLE, AUCTIONS - 1);
    }

    private long anyPerson(long number) {
        long people = lastPerson(number) + 1;
        long active = Math.min(people, ACTIVE);
        return people - active + below(active + LEAD);
    }

    private static long hotPerson(long number) {
        return lastPerson(number) / 100 * 100;
    }

    private RowData person(long n) {
        GenericRowData row = new GenericRowData(8);
        row.setField(0, lastPerson(n) + 1000);
        String first = pick(FIRST_NAMES, n, FIRST_NAME).toString();
        row.setField(1, StringData.fromString(first + " " + pick(LAST_NAMES, n, LAST_NAME)));
        draw(n, EMAIL);
        letters(3 + (int) below(5));
        text.append('@');
        letters(3 + (int) below(3));
        text.append(".com");
        row.setField(2, text());
        draw(n, CREDIT_CARD);
        for (int group = 0; group < 4; group++) {
            text.append(group == 0 ? "" : " ").append(String.format("%04d", below(10_000)));
        }
        row.setField(3, text());
        row.setField(4, pick(CITIES, n, CITY));
        row.setField(5, pick(STATES, n, STATE));
        row.setField(6, TimestampData.fromEpochMillis(timestampMs(n)));
        row.setField(7, extra(n, 200 - 80));
        return row;
    }

    private RowData auction(long n) {
        GenericRowData row = new GenericRowData(10);
        row.setField(0, lastAuction(n) + 1000);
        draw(n, ITEM_NAME);
        letters(3 + (int) below(18));
        row.setField(1, text());
        draw(n, DESCRIPTION);
        letters(10 + (int) below(90));
        row.setField(2, text());
        draw(n, INITIAL_BID);
        long initial = price();
        row.setField(3, initial);
        draw(n, RESERVE);
        row.setField(4, initial + price());
        row.setField(5, TimestampData.fromEpochMillis(timestampMs(n)));
        long horizon = Math.max(timestampMs(n + IN_FLIGHT * CYCLE / AUCTIONS) - timestampMs(n), 0);
        draw(n, EXPIRES);
        long open = 1 + below(Math.max(2 * horizon, 1));
        row.setField(6, TimestampData.fromEpochMillis(timestampMs(n) + open));
        draw(n, SELLER);
        row.setField(7, (below(4) == 0 ? anyPerson(n) : hotPerson(n)) + 1000);
        draw(n, CATEGORY);
        row.setField(8, 10 + below(5));
        row.setField(9, extra(n, 500 - 120));
        return row;
    }

    private StringData url(long channel) {
        draw(channel, URL);
        text.append("https://www.nexmark.com");
        for (int i = 0; i < 3; i++) {
            text.append('/');
            letters(5);
        }
        text.append("/item.htm?query=1");
        if (channel >= 4 && below(10) > 0) {
            text.append("&channel_id=").append(below(1L << 31));
        }
        return text();
    }

    private RowData bid(long n) {
        GenericRowData row = new GenericRowData(7);
        draw(n, AUCTION);
        long auction;
        if (below(2) == 0) {
            long last = lastAuction(n);
            long first = Math.max(last - IN_FLIGHT, 0);
            auction = first + below(last - first + 1 + LEAD);
        } else {
            auction = lastAuction(n) / 100 * 100;
        }
        row.setField(0, auction + 1000);
        draw(n, BIDDER);
        row.setField(1, (below(4) == 0 ? anyPerson(n) : hotPerson(n) + 1) + 1000);
        draw(n, PRICE);
        row.setField(2, price());
        draw(n, CHANNEL);
        long channel = below(2) == 0 ? 4 + below(10_000) : below(4);
        row.setField(3, StringData.fromString(channel < 4 ? HOT_CHANNELS[(int) channel] : "channel-" + (channel - 4)));
        if (urls[(int) channel] == null) {
            urls[(int) channel] = url(channel);
        }
        row.setField(4, urls[(int) channel]);
        row.setField(5, TimestampData.fromEpochMillis(timestampMs(n)));
        row.setField(6, extra(n, 100 - 60));
        return row;
    }

    /** Event {@code number} as a row of the table in tables.sql. */
    public RowData event(long number) {
        int offset = (int) (number % CYCLE);
        int kind = offset < PEOPLE ? 0 : offset < PEOPLE + AUCTIONS ? 1 : 2;
        GenericRowData row = new GenericRowData(4);
        row.setField(0, kind);
        row.setField(1 + kind, kind == 0 ? person(number) : kind == 1 ? auction(number) : bid(number));
        return row;
    }

    /** FNV-1a over the values of the first {@code events}, as checksum.rs has it. */
    public long checksum(long events) {
        long hash = 0xCBF29CE484222325L;
        for (long number = 0; number < events; number++) {
            GenericRowData event = (GenericRowData) event(number);
            int kind = (Integer) event.getField(0);
            hash = addLong(hash, kind);
            GenericRowData row = (GenericRowData) event.getField(1 + kind);
            for (int i = 0; i < row.getArity(); i++) {
                Object value = row.getField(i);
                if (value instanceof Long) {
                    hash = addLong(hash, (Long) value);
                } else if (value instanceof TimestampData) {
                    hash = addLong(hash, ((TimestampData) value).getMillisecond());
                } else {
                    for (byte b : value.toString().getBytes(StandardCharsets.UTF_8)) {
                        hash = add(hash, b);
                    }
                    hash = add(hash, (byte) 0);
                }
            }
        }
        return hash;
    }

    private static long addLong(long hash, long value) {
        for (int shift = 0; shift < 64; shift += 8) {
            hash = add(hash, (byte) (value >>> shift));
        }
        return hash;
    }

    private static long add(long hash, byte value) {
        return (hash ^ (value & 0xFF)) * 0x100000001B3L;
    }
}
