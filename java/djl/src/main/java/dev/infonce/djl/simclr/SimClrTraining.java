package dev.infonce.djl.simclr;

import ai.djl.engine.Engine;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDManager;
import dev.infonce.Device;
import dev.infonce.InfoNceException;
import dev.infonce.djl.data.DataFinder;
import dev.infonce.djl.data.FashionMnist;
import dev.infonce.djl.data.ImageSet;
import dev.infonce.djl.report.HtmlReport;
import dev.infonce.djl.report.JsonReport;
import dev.infonce.djl.report.RunReport;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.zip.CRC32;

/** SimCLR on Fashion-MNIST from data to report: what {@code ./infonce train} does. */
public final class SimClrTraining {
    private static final int CHECKPOINT_STEPS = 100;

    private final TrainOptions options;
    private final PrintStream out;
    private final PrintStream err;
    private final long startNanos = System.nanoTime();

    private SimClrTraining(TrainOptions options, PrintStream out, PrintStream err) {
        this.options = options;
        this.out = out;
        this.err = err;
    }

    /**
     * Trains, evaluates and writes report.html, report.json and checkpoint.bin. The first Ctrl-C or SIGTERM ends training
     * early, and what was learned by then is evaluated.
     *
     * @param out progress
     * @param err one line if something fails
     * @return 0 if all went well, 1 if not or if the gain asked for was missed
     */
    public static int run(TrainOptions options, PrintStream out, PrintStream err) {
        try {
            return new SimClrTraining(options, out, err).run();
        } catch (IOException | UncheckedIOException | InfoNceException | EngineException | IllegalStateException e) {
            err.println("train: " + String.valueOf(e.getMessage()).strip().replaceAll("\\s*\\R\\s*", "; "));
            return 1;
        }
    }

    private int run() throws IOException {
        try (RunFolder folder = folder()) {
            return run(folder);
        }
    }

    /** Before any work, so that a run does not end where its results cannot be written. */
    private RunFolder folder() throws IOException {
        if (options.resume() != null) {
            return RunFolder.resume(options.resume());
        }
        return options.out() != null
                ? RunFolder.create(options.out(), options.overwrite())
                : RunFolder.createByTime(Path.of("runs"), LocalDateTime.now());
    }

    private int run(RunFolder folder) throws IOException {
        Checkpoint earlier = options.resume() == null ? null : Checkpoint.load(folder.checkpoint());
        FashionMnist data = FashionMnist.read(new DataFinder(out).find(options.data()));
        Recipe recipe = earlier == null ? options.recipe(data.train().count()) : earlier.recipe();
        long seed = earlier == null ? options.seed() : earlier.seed();
        ImageSet images = data.train().first(recipe.images());
        if (images.count() < recipe.batch()) {
            throw new IOException(
                    "--batch is " + recipe.batch() + ", but there are only " + images.count() + " training images");
        }
        long checksum = checksum(images);
        if (earlier != null && earlier.dataChecksum() != checksum) {
            throw new IOException("--resume: the training images are not those of the earlier run");
        }
        Engine engine = TorchRuntime.start();
        try (Device device = device();
                NDManager manager = engine.newBaseManager(ai.djl.Device.cpu());
                ContrastiveTrainer trainer = new ContrastiveTrainer(manager, recipe, seed, images, device)) {
            out.println(recipe.loss().title() + " loss on " + device.name() + " (" + device.description()
                    + "), encoder on PyTorch " + engine.getVersion());
            out.printf(
                    Locale.ROOT,
                    "%s recipe: %d steps of %d images (%.1f epochs), seed %d, into %s%n",
                    recipe.name(),
                    recipe.steps(),
                    recipe.batch(),
                    (double) recipe.steps() * recipe.batch() / images.count(),
                    seed,
                    folder.path());
            double seconds = 0;
            if (earlier != null) {
                restore(trainer, earlier, folder.checkpoint());
                seconds = earlier.seconds();
                out.println("going on after step " + trainer.curve().size());
            }
            Map<String, Double> timings = new LinkedHashMap<>();
            timings.put("preparationSeconds", secondsSince(startNanos));
            folder.begin(earlier == null);
            seconds += train(trainer, recipe, folder.checkpoint(), checksum, seconds);
            timings.put("trainingSeconds", seconds);
            timings.put("imagesPerSecond", trainer.curve().size() * (double) recipe.batch() / seconds);
            return evaluate(manager, data, trainer, recipe, seed, device, folder, timings, engine);
        }
    }

    private Device device() {
        return options.device().equals("best") ? Device.best() : Device.named(options.device());
    }

    private static void restore(ContrastiveTrainer trainer, Checkpoint earlier, Path file) throws IOException {
        try {
            trainer.restore(earlier);
        } catch (IllegalArgumentException e) {
            throw new IOException(file + ": " + e.getMessage(), e);
        }
    }

    private double train(ContrastiveTrainer trainer, Recipe recipe, Path checkpoint, long checksum, double before)
            throws IOException {
        long start = System.nanoTime();
        try (StopSignal stop = new StopSignal(out);
                ProgressDisplay display =
                        new ProgressDisplay(out, recipe, trainer.curve().size())) {
            while (!trainer.isDone() && !stop.isRequested()) {
                CurvePoint point = trainer.step();
                display.show(point);
                if (point.step() % CHECKPOINT_STEPS == 0) {
                    trainer.checkpoint(checksum, before + secondsSince(start)).save(checkpoint);
                }
            }
        }
        double seconds = secondsSince(start);
        trainer.checkpoint(checksum, before + seconds).save(checkpoint);
        return seconds;
    }

    private int evaluate(
            NDManager manager,
            FashionMnist data,
            ContrastiveTrainer trainer,
            Recipe recipe,
            long seed,
            Device device,
            RunFolder folder,
            Map<String, Double> timings,
            Engine engine)
            throws IOException {
        long start = System.nanoTime();
        RunEvaluation.Result result;
        try (SimClrModel untrained = new SimClrModel(manager, recipe, seed)) {
            result = new RunEvaluation(manager, data, recipe, device, out).run(untrained, trainer.model());
        }
        timings.put("evaluationSeconds", secondsSince(start));
        timings.put("totalSeconds", secondsSince(startNanos));
        RunReport report = new RunReport(
                recipe,
                seed,
                device.name() + ": " + device.description(),
                trainer.curve().size(),
                Math.min(recipe.images(), data.train().count()),
                Math.min(recipe.probeImages(), data.train().count()),
                data.test().count(),
                result.accuracies(),
                result.before(),
                result.after(),
                result.neighbours(),
                result.maps(),
                timings,
                versions(engine),
                trainer.curve(),
                trainer.snapshots());
        JsonReport.write(report, folder.json());
        HtmlReport.write(report, data, folder.html());
        out.printf(
                Locale.ROOT,
                "training %.0f s (%.0f images/s), evaluation %.0f s; report: %s%n",
                timings.get("trainingSeconds"),
                timings.get("imagesPerSecond"),
                timings.get("evaluationSeconds"),
                folder.html());
        return checkGain(report.evaluation().linearGain());
    }

    private int checkGain(double gain) {
        out.printf(Locale.ROOT, "linear probe: %+.2f points over the untrained encoder%n", gain);
        if (options.requireGain() == null || gain >= options.requireGain()) {
            return 0;
        }
        err.printf(
                Locale.ROOT,
                "train: the gain of %.2f points is below the %.2f required%n",
                gain,
                options.requireGain());
        return 1;
    }

    private static Map<String, String> versions(Engine engine) {
        Map<String, String> versions = new LinkedHashMap<>();
        String own = SimClrTraining.class.getPackage().getImplementationVersion();
        versions.put("infonce", own == null ? "development" : own);
        versions.put("java", System.getProperty("java.vm.name") + " " + System.getProperty("java.version"));
        versions.put("djl", Engine.getDjlVersion());
        versions.put("pytorch", engine.getVersion());
        versions.put("system", System.getProperty("os.name") + " " + System.getProperty("os.arch"));
        versions.put("processors", Integer.toString(Runtime.getRuntime().availableProcessors()));
        return versions;
    }

    private static long checksum(ImageSet images) {
        CRC32 crc = new CRC32();
        crc.update(images.pixels());
        return crc.getValue();
    }

    private static double secondsSince(long nanos) {
        return (System.nanoTime() - nanos) / 1e9;
    }
}
