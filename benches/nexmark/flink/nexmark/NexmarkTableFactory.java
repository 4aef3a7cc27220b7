package nexmark;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.connector.source.lib.util.IteratorSourceEnumerator;
import org.apache.flink.api.connector.source.lib.util.IteratorSourceReader;
import org.apache.flink.api.connector.source.lib.util.IteratorSourceSplit;
import org.apache.flink.configuration.ConfigOption;
import org.apache.flink.configuration.ConfigOptions;
import org.apache.flink.core.io.SimpleVersionedSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.table.connector.ChangelogMode;
import org.apache.flink.table.connector.source.DynamicTableSource;
import org.apache.flink.table.connector.source.ScanTableSource;
import org.apache.flink.table.connector.source.SourceProvider;
import org.apache.flink.table.data.RowData;
import org.apache.flink.table.factories.DynamicTableSourceFactory;
import org.apache.flink.table.factories.FactoryUtil;

/** The connector 'nexmark' for Flink: every subtask makes every n-th event, so that times go together. */
public final class NexmarkTableFactory implements DynamicTableSourceFactory {
    private static final ConfigOption<Long> EVENTS =
            ConfigOptions.key("events.num").longType().noDefaultValue();
    private static final ConfigOption<Long> RATE =
            ConfigOptions.key("first-event.rate").longType().defaultValue(10_000L);

    @Override
    public String factoryIdentifier() {
        return "nexmark";
    }

    @Override
    public Set<ConfigOption<?>> requiredOptions() {
        return Set.of(EVENTS);
    }

    @Override
    public Set<ConfigOption<?>> optionalOptions() {
        return Set.of(RATE);
    }

    @Override
    public DynamicTableSource createDynamicTableSource(Context context) {
        FactoryUtil.TableFactoryHelper helper = FactoryUtil.createTableFactoryHelper(this, context);
        helper.validate();
        return new Table(helper.getOptions().get(EVENTS), helper.getOptions().get(RATE));
    }

    private static final class Table implements ScanTableSource {
        private final long events;
        private final long rate;

        Table(long events, long rate) {
            this.events = events;
            this.rate = rate;
        }

        @Override
        public ChangelogMode getChangelogMode() {
            return ChangelogMode.insertOnly();
        }

        @Override
        public ScanRuntimeProvider getScanRuntimeProvider(ScanContext context) {
            return SourceProvider.of(new EventSource(events, rate));
        }

        @Override
        public DynamicTableSource copy() {
            return new Table(events, rate);
        }

        @Override
        public String asSummaryString() {
            return "nexmark";
        }
    }

    /** Event numbers {@code next, next + step, ...} below {@code end}. */
    static final class Split implements IteratorSourceSplit<RowData, Split.Numbers> {
        final long next;
        final long step;
        final long end;
        final long rate;

        Split(long next, long step, long end, long rate) {
            this.next = next;
            this.step = step;
            this.end = end;
            this.rate = rate;
        }

        @Override
        public String splitId() {
            return "every-" + step + "-from-" + next % step;
        }

        @Override
        public Numbers getIterator() {
            return new Numbers(this);
        }

        @Override
        public IteratorSourceSplit<RowData, Numbers> getUpdatedSplitForIterator(Numbers iterator) {
            return new Split(iterator.number, step, end, rate);
        }

        static final class Numbers implements java.util.Iterator<RowData> {
            private final Events events;
            private final long step;
            private final long end;
            long number;

            Numbers(Split split) {
                events = new Events(0, split.rate);
                step = split.step;
                end = split.end;
                number = split.next;
            }

            @Override
            public boolean hasNext() {
                return number < end;
            }

            @Override
            public RowData next() {
                RowData row = events.event(number);
                number += step;
                return row;
            }
        }
    }

    static final class EventSource implements Source<RowData, Split, Collection<Split>> {
        private final long events;
        private final long rate;

        EventSource(long events, long rate) {
            this.events = events;
            this.rate = rate;
        }

        @Override
        public Boundedness getBoundedness() {
            return Boundedness.BOUNDED;
        }

        @Override
        public SourceReader<RowData, Split> createReader(SourceReaderContext context) {
            return new IteratorSourceReader<>(context);
        }

        @Override
        public SplitEnumerator<Split, Collection<Split>> createEnumerator(SplitEnumeratorContext<Split> context) {
            List<Split> splits = new ArrayList<>();
            int step = context.currentParallelism();
            for (int i = 0; i < step; i++) {
                splits.add(new Split(i, step, events, rate));
            }
            return new IteratorSourceEnumerator<>(context, splits);
        }

        @Override
        public SplitEnumerator<Split, Collection<Split>> restoreEnumerator(
                SplitEnumeratorContext<Split> context, Collection<Split> checkpoint) {
            return new IteratorSourceEnumerator<>(context, checkpoint);
        }

        @Override
        public SimpleVersionedSerializer<Split> getSplitSerializer() {
            return new SplitSerializer();
        }

        @Override
        public SimpleVersionedSerializer<Collection<Split>> getEnumeratorCheckpointSerializer() {
            return new SplitsSerializer();
        }
    }

    private static final class SplitSerializer implements SimpleVersionedSerializer<Split> {
        @Override
        public int getVersion() {
            return 1;
        }

        @Override
        public byte[] serialize(Split split) throws java.io.IOException {
            DataOutputSerializer out = new DataOutputSerializer(32);
            for (long value : new long[] {split.next, split.step, split.end, split.rate}) {
                out.writeLong(value);
            }
            return out.getCopyOfBuffer();
        }

        @Override
        public Split deserialize(int version, byte[] bytes) throws java.io.IOException {
            DataInputDeserializer in = new DataInputDeserializer(bytes);
            return new Split(in.readLong(), in.readLong(), in.readLong(), in.readLong());
        }
    }

    private static final class SplitsSerializer implements SimpleVersionedSerializer<Collection<Split>> {
        private final SplitSerializer one = new SplitSerializer();

        @Override
        public int getVersion() {
            return 1;
        }

        @Override
        public byte[] serialize(Collection<Split> splits) throws java.io.IOException {
            DataOutputSerializer out = new DataOutputSerializer(64);
            for (Split split : splits) {
                out.write(one.serialize(split));
            }
            return out.getCopyOfBuffer();
        }

        @Override
        public Collection<Split> deserialize(int version, byte[] bytes) throws java.io.IOException {
            List<Split> splits = new ArrayList<>();
            for (int at = 0; at < bytes.length; at += 32) {
                splits.add(one.deserialize(version, java.util.Arrays.copyOfRange(bytes, at, at + 32)));
            }
            return splits;
        }
    }
}
