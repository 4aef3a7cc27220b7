package nexmark;

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.functions.ScalarFunction;

/**
 * Runs one query on Flink in this JVM and prints what it took, the start of the JVM and the planning not
 * counted: one JSON object.
 *
 * <pre>
 *   Run checksum EVENTS RATE
 *   Run query FOLDER QUERY EVENTS RATE PARALLELISM BACKEND CHECKPOINTS
 * </pre>
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
        String query = args[2];
        Configuration settings = new Configuration();
        settings.setString("parallelism.default", args[5]);
        settings.setString("pipeline.object-reuse", "true");
        settings.setString("state.backend.type", args[6]);
        settings.setString("execution.checkpointing.interval", "10 s");
        settings.setString("execution.checkpointing.dir", Path.of(args[7]).toUri().toString());
        settings.setString("execution.checkpointing.incremental", "true");
        settings.setString("table.local-time-zone", "UTC");
        StreamTableEnvironment tables = StreamTableEnvironment.create(
                StreamExecutionEnvironment.getExecutionEnvironment(settings));
        tables.createTemporarySystemFunction("count_char", CountChar.class);
        String prelude = Files.readString(folder.resolve("tables.sql"))
                .replace("${EVENTS}", args[3])
                .replace("${RATE}", args[4]);
        for (String statement : prelude.replaceAll("(?m)^--.*$", "").split(";")) {
            if (!statement.isBlank()) {
                tables.executeSql(statement);
            }
        }
        String select = Files.readString(folder.resolve("queries").resolve(query + ".sql"));
        OperatingSystemMXBean machine = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        long cpu = machine.getProcessCpuTime();
        long wall = System.nanoTime();
        tables.executeSql("CREATE TABLE sink WITH ('connector' = 'blackhole') AS " + select).await();
        System.out.printf("{\"seconds\":%.3f,\"cpu_seconds\":%.3f,\"peak_rss_kb\":%s}%n",
                (System.nanoTime() - wall) / 1e9, (machine.getProcessCpuTime() - cpu) / 1e9, peakRss());
    }

    private static String peakRss() throws Exception {
        return Files.readString(Path.of("/proc/self/status")).replaceAll("(?s).*VmHWM:\\s+(\\d+).*", "$1");
    }
}
