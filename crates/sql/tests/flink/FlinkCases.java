import java.io.IOException;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import org.apache.flink.configuration.*;
import org.apache.flink.runtime.minicluster.*;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.*;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.table.api.internal.*;
import org.apache.flink.table.catalog.Column;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.operations.Operation;
import org.apache.flink.table.operations.command.*;
import org.apache.flink.util.CloseableIterator;

/**
 * Runs SQL case files on Apache Flink and writes each answer as JSON, the values as Flink's
 * SQL client shows them. One JVM and one mini cluster run all cases; see scripts/flink-diff.
 *
 * <p>Usage: FlinkCases CASES DATA OUT JOBS. CASES holds AREA/NAME.sql; DATA stands for ${IN}.
 */
public final class FlinkCases {
    private static final int TIMEOUT_S = 60;
    private static MiniCluster cluster;

    public static void main(String[] args) throws Exception {
        Path cases = Paths.get(args[0]), data = Paths.get(args[1]), out = Paths.get(args[2]);
        int jobs = Integer.parseInt(args[3]);
        Configuration conf = new Configuration();
        conf.setString("rest.port", "0");
        conf.setString("rest.bind-port", "0");
        conf.setString("taskmanager.memory.network.min", "256mb");
        conf.setString("taskmanager.memory.network.max", "256mb");
        conf.setString("taskmanager.memory.managed.size", "1gb");
        cluster = new MiniCluster(new MiniClusterConfiguration.Builder()
                .setConfiguration(conf).setNumTaskManagers(1).setNumSlotsPerTaskManager(64).build());
        cluster.start();
        List<Path> files;
        try (Stream<Path> walk = Files.walk(cases)) {
            files = walk.filter(p -> p.toString().endsWith(".sql")).sorted().collect(Collectors.toList());
        }
        ExecutorService pool = Executors.newFixedThreadPool(jobs);
        List<Future<?>> all = new ArrayList<>();
        for (Path file : files) {
            all.add(pool.submit(() -> {
                try {
                    String name = cases.relativize(file).toString().replaceAll("\\.sql$", ".json");
                    Path answer = out.resolve(name);
                    Files.createDirectories(answer.getParent());
                    Files.write(answer, new Case(file, data).run().getBytes("UTF-8"));
                } catch (Exception e) {
                    System.err.println(file + ": " + e);
                }
            }));
        }
        for (Future<?> f : all) f.get();
        System.exit(0);
    }

    /** One case: its statements in turn, until one fails. */
    private static final class Case {
        private final String text;
        private final List<String> tables = new ArrayList<>();
        private TableEnvironmentInternal env;
        private volatile String phase = "plan";

        Case(Path file, Path data) throws IOException {
            Path own = Files.createTempDirectory("flink-case");
            text = new String(Files.readAllBytes(file), "UTF-8")
                    .replace("${IN}", data.toAbsolutePath().toString())
                    .replace("${OUT}", own.toString());
        }

        String run() {
            Map<String, String> remote = new HashMap<>();
            remote.put("execution.target", "remote");
            remote.put("rest.address", cluster.getRestAddress().join().getHost());
            remote.put("rest.port", "" + cluster.getRestAddress().join().getPort());
            remote.put("parallelism.default", "2");
            remote.put("restart-strategy.type", "none");
            remote.put("table.dml-sync", "true");
            remote.put("table.local-time-zone", "UTC");
            remote.put("collect-sink.batch-size.max", "4 mb");
            StreamExecutionEnvironment stream =
                    new StreamExecutionEnvironment(Configuration.fromMap(remote));
            env = (TableEnvironmentInternal) StreamTableEnvironment.create(stream);
            String mode = "changelog-final";
            for (String line : text.split("\n")) {
                if (line.startsWith("-- compare:")) mode = line.substring(11).trim();
            }
            String head = "{\n \"compare\": " + quote(mode) + ",\n ";
            try {
                for (String statement : statements(text)) {
                    phase = "plan";
                    execute(statement);
                }
            } catch (Throwable e) {
                Throwable root = e;
                boolean ran = phase.equals("run");
                for (Throwable t = e; t != null; t = t.getCause() == t ? null : t.getCause()) {
                    root = t;
                    ran |= t.getClass().getName().contains("JobExecutionException");
                }
                String kind = root.getClass().getName();
                if (root instanceof org.apache.flink.util.SerializedThrowable) {
                    kind = ((org.apache.flink.util.SerializedThrowable) root).getOriginalErrorClassName();
                }
                return head + "\"error\": " + quote("" + root.getMessage()) + ",\n \"error_class\": "
                        + quote(kind) + ",\n \"error_phase\": " + quote(ran ? "run" : "plan") + "\n}\n";
            }
            if (tables.size() == 1) return head + tables.get(0) + "\n}\n";
            return head + "\"results\": [" + tables.stream().map(t -> "{" + t + "}")
                    .collect(Collectors.joining(",\n")) + "]\n}\n";
        }

        private void execute(String statement) throws Exception {
            String first = statement.replaceAll("(?s)^(\\s|--[^\n]*\n|/\\*.*?\\*/)+", "");
            String word = first.split("[\\s;]+", 2)[0].toUpperCase(Locale.ROOT);
            if (word.equals("SET") || word.equals("RESET")) {
                for (Operation o : env.getParser().parse(statement)) set(o);
                return;
            }
            TableResultInternal result = (TableResultInternal) env.executeSql(statement);
            boolean rows = List.of("SELECT", "WITH", "VALUES", "(", "DESCRIBE", "DESC", "SHOW", "EXPLAIN", "TABLE")
                    .stream().anyMatch(w -> word.startsWith(w));
            if (!rows) {
                phase = "run";
                if (result.getJobClient().isPresent()) {
                    result.await(TIMEOUT_S, TimeUnit.SECONDS);
                }
                return;
            }
            List<String> columns = new ArrayList<>();
            for (Column c : result.getResolvedSchema().getColumns()) {
                columns.add("{\"name\": " + quote(c.getName()) + ", \"type\": "
                        + quote(c.getDataType().getLogicalType().asSummaryString()) + "}");
            }
            phase = "run";
            ExecutorService one = Executors.newSingleThreadExecutor();
            Future<List<String>> got = one.submit(() -> rows(result, columns.size()));
            try {
                tables.add("\"columns\": [\n   " + String.join(",\n   ", columns) + "\n ],\n \"rows\": [\n   "
                        + String.join(",\n   ", got.get(TIMEOUT_S, TimeUnit.SECONDS)) + "\n ]");
            } finally {
                result.getJobClient().ifPresent(j -> j.cancel());
                one.shutdownNow();
            }
        }

        private static List<String> rows(TableResultInternal result, int width) throws Exception {
            List<String> rows = new ArrayList<>();
            try (CloseableIterator<RowData> it = result.collectInternal()) {
                while (it.hasNext()) {
                    RowData row = it.next();
                    String[] cells = result.getRowDataToStringConverter().convert(row);
                    StringBuilder b = new StringBuilder("[" + quote(row.getRowKind().shortString()));
                    for (int i = 0; i < width; i++) {
                        b.append(", ").append(row.isNullAt(i) ? "null" : quote(cells[i]));
                    }
                    rows.add(b.append("]").toString());
                }
            }
            return rows;
        }

        private void set(Operation o) {
            Configuration conf = env.getConfig().getConfiguration();
            if (o instanceof SetOperation) {
                SetOperation s = (SetOperation) o;
                if (s.getKey().isPresent()) conf.setString(s.getKey().get(), s.getValue().get());
            } else if (o instanceof ResetOperation && ((ResetOperation) o).getKey().isPresent()) {
                String key = ((ResetOperation) o).getKey().get();
                conf.removeConfig(ConfigOptions.key(key).stringType().noDefaultValue());
            }
        }
    }

    /** The statements of a script; those of a statement set stay together. */
    static List<String> statements(String text) {
        List<String> out = new ArrayList<>();
        StringBuilder now = new StringBuilder();
        for (int i = 0; i < text.length(); ) {
            char c = text.charAt(i);
            int end = i + 1;
            if (text.startsWith("--", i)) {
                end = until(text, "\n", i);
            } else if (text.startsWith("/*", i)) {
                end = until(text, "*/", i + 2);
            } else if (c == '\'' || c == '`' || c == '"') {
                end = until(text, "" + c, i + 1);
            }
            if (c == ';') {
                String s = now.toString();
                boolean set = s.matches("(?is).*\\bSTATEMENT\\s+SET\\b.*") && !s.matches("(?is).*\\bEND\\s*");
                if (!set) {
                    add(out, s);
                    now.setLength(0);
                    i = end;
                    continue;
                }
            }
            if (text.startsWith("--", i)) now.append('\n');
            else now.append(text, i, end);
            i = end;
        }
        add(out, now.toString());
        return out;
    }

    private static void add(List<String> out, String statement) {
        String s = statement.trim();
        s = s.replaceAll("(?is)^BEGIN\\s+STATEMENT\\s+SET\\s*;", "EXECUTE STATEMENT SET BEGIN ");
        if (s.matches("(?is)^EXECUTE\\s+STATEMENT\\s+SET.*")) s = s + ";";
        if (!s.isEmpty()) out.add(s);
    }

    private static int until(String text, String what, int from) {
        int at = text.indexOf(what, from);
        return at < 0 ? text.length() : at + what.length();
    }

    private static String quote(String s) {
        StringBuilder b = new StringBuilder("\"");
        for (char c : s.toCharArray()) {
            if (c == '"' || c == '\\') b.append('\\').append(c);
            else if (c < ' ' || Character.isSurrogate(c) || c == 127) b.append(String.format("\\u%04x", (int) c));
            else b.append(c);
        }
        return b.append('"').toString();
    }
}
