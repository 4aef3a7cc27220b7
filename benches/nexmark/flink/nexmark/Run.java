package nexmark;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.api.internal.TableResultInternal;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.functions.ScalarFunction;
import org.apache.flink.types.RowKind;
import org.apache.flink.util.CloseableIterator;

/**
 * Runs queries on Flink in this JVM. 'query' prints what one took, the start of the JVM not counted, as a
 * JSON object; 'answers' prints a line for each: how many rows are left after all changes, and the sum of
 * their hashes (crates/sql/tests/nexmark compares).
 *
 * <pre>
 *   Run checksum EVENTS RATE
 *   Run query FOLDER QUERY EVENTS RATE PARALLELISM BACKEND CHECKPOINTS
 *   Run answers FOLDER EVENTS RATE QUERY...
 * </pre>
 *
 * The file of the table side_input is named by the environment variable SIDE_INPUT.
 */
public final class Run {
    /** The user's own function of q14. */
    public static final class CountChar extends ScalarFunction {
        public Long eval(String text, String character) {
            long count = 0;
            if (text != null) {
                for (int i = 0; i < text.length(); i++) {
                    count += text.charAt(i) == character.charAt(0) ? 1 : 0;
                }
            }
            return count;
        }
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("checksum")) {
            System.out.println(Long.toHexString(new Events(0, Long.parseLong(args[2])).checksum(Long.parseLong(args[1]))));
            return;
        }
        Path folder = Path.of(args[1]);
        if (args[0].equals("answers")) {
            for (String query : Arrays.copyOfRange(args, 4, args.length)) {
                answers(folder, query, args[2], args[3]);
            }
            return;
        }
        String query = args[2];
        Configuration settings = new Configuration();
        settings.setString("parallelism.default", args[5]);
        settings.setString("pipeline.object-reuse", "true");
        settings.setString("state.backend.type", args[6]);
        settings.setString("execution.checkpointing.interval", "10 s");
        settings.setString("execution.checkpointing.dir", Path.of(args[7]).toUri().toString());
        settings.setString("execution.checkpointing.incremental", "true");
        StreamTableEnvironment tables = tables(settings, folder, args[3], args[4]);
        String select = select(folder, query);
        OperatingSystemMXBean machine = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        long cpu = machine.getProcessCpuTime();
        long wall = System.nanoTime();
        tables.executeSql("CREATE TABLE sink WITH ('connector' = 'blackhole') AS " + select).await();
        System.out.printf("{\"seconds\":%.3f,\"cpu_seconds\":%.3f,\"peak_rss_kb\":%s}%n",
                (System.nanoTime() - wall) / 1e9, (machine.getProcessCpuTime() - cpu) / 1e9, peakRss());
    }

    private static StreamTableEnvironment tables(Configuration settings, Path folder, String events, String rate)
            throws Exception {
        settings.setString("table.local-time-zone", "UTC");
        StreamTableEnvironment tables = StreamTableEnvironment.create(
                StreamExecutionEnvironment.getExecutionEnvironment(settings));
        tables.createTemporarySystemFunction("count_char", CountChar.class);
        String prelude = Files.readString(folder.resolve("tables.sql"))
                .replace("${EVENTS}", events)
                .replace("${RATE}", rate)
                .replace("${SIDE_INPUT}", System.getenv().getOrDefault("SIDE_INPUT", ""));
        for (String statement : prelude.replaceAll("(?m)^--.*$", "").split(";")) {
            if (!statement.isBlank()) {
                // Flink's own files cannot be looked up.
                tables.executeSql(statement.contains("TABLE side_input")
                        ? statement.replace("'filesystem'", "'side-input'")
                        : statement);
            }
        }
        return tables;
    }

    private static String select(Path folder, String query) throws Exception {
        return Files.readString(folder.resolve("queries").resolve(query + ".sql"));
    }

    private static void answers(Path folder, String query, String events, String rate) throws Exception {
        Configuration settings = new Configuration();
        settings.setString("parallelism.default", "2");
        TableResultInternal result =
                (TableResultInternal) tables(settings, folder, events, rate).executeSql(select(folder, query));
        long rows = 0, sum = 0;
        // The last row of each key, for a changelog of upserts: its key is the first column.
        Map<String, Long> upserts = new HashMap<>();
        boolean retracts = false, updates = false;
        try (CloseableIterator<RowData> all = result.collectInternal()) {
            while (all.hasNext()) {
                RowData row = all.next();
                String[] cells = result.getRowDataToStringConverter().convert(row);
                long hash = 0xCBF29CE484222325L;
                for (int i = 0; i < row.getArity(); i++) {
                    String text = row.isNullAt(i) ? "" : cells[i] + "\u0001";
                    for (byte b : (text + "\0").getBytes(StandardCharsets.UTF_8)) {
                        hash = (hash ^ (b & 0xFF)) * 0x100000001B3L;
                    }
                }
                retracts |= row.getRowKind() == RowKind.UPDATE_BEFORE;
                upserts.put(cells[0], hash);
                boolean adds = row.getRowKind() == RowKind.INSERT || row.getRowKind() == RowKind.UPDATE_AFTER;
                rows += adds ? 1 : -1;
                updates |= row.getRowKind() == RowKind.UPDATE_AFTER;
                sum += adds ? hash : -hash;
            }
        }
        if (updates && !retracts) {
            rows = upserts.size();
            sum = upserts.values().stream().mapToLong(Long::longValue).sum();
        }
        System.out.println(query + " " + rows + " " + Long.toHexString(sum));
    }

    private static String peakRss() throws Exception {
        return Files.readString(Path.of("/proc/self/status")).replaceAll("(?s).*VmHWM:\\s+(\\d+).*", "$1");
    }
}
