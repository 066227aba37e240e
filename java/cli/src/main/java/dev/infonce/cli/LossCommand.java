package dev.infonce.cli;

import dev.infonce.Aggregation;
import dev.infonce.Block;
import dev.infonce.ContrastiveLoss;
import dev.infonce.DType;
import dev.infonce.Denominator;
import dev.infonce.Device;
import dev.infonce.Distance;
import dev.infonce.GradientResult;
import dev.infonce.Gradients;
import dev.infonce.InfoNceException;
import dev.infonce.Mining;
import dev.infonce.Plan;
import dev.infonce.PlanOptions;
import dev.infonce.Reduction;
import dev.infonce.Similarity;
import dev.infonce.Status;
import dev.infonce.Threshold;
import java.io.IOException;
import java.io.PrintWriter;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Evaluates a loss on embeddings in .npy files. */
@Command(
        name = "loss",
        sortOptions = false,
        modelTransformer = LossHelp.class,
        description = "Evaluates a contrastive loss on embeddings in NumPy's .npy files.",
        footerHeading = "%nWhich matrices a loss takes (N rows of D numbers unless said otherwise):%n",
        footer = {
            "${bundle:matrices}",
            "",
            "A FILE is a .npy file, a pipe, - for standard input, or FILE.npz:NAME for an",
            "array of an archive. Matrices hold float16, bfloat16, float32 or float64, of",
            "either byte order, in C or Fortran order. If all have one type, it is the type",
            "of the computation where the device has it; else that is float64 if any is,",
            "or float32. The loss is exact to 1e-5 relative if no matrix is float64.",
            "Exit code: 0 done, 1 failure (files, devices), 2 wrong usage."
        })
final class LossCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Mixin
    private CommonOptions common;

    @Option(
            names = "--loss",
            required = true,
            paramLabel = "NAME",
            converter = Choices.Losses.class,
            completionCandidates = Choices.Losses.class,
            description = "Which loss: ${COMPLETION-CANDIDATES}.")
    LossKind kind;

    @Option(names = "--queries", required = true, paramLabel = "FILE", description = "Queries, anchors or a tower.")
    String queries;

    @Option(names = "--keys", paramLabel = "FILE", description = "Keys, positives or second views.")
    String keys;

    @Option(
            names = "--negatives",
            paramLabel = "FILE",
            description =
                    "All the negatives, or with --own-negatives-too those beside the other keys; for ${bundle:with negatives}.")
    String negatives;

    @Option(
            names = "--own-negatives-too",
            description =
                    "For ${bundle:with own negatives too}: other keys are negatives too, beside a row's own of --negatives.")
    boolean ownNegativesToo;

    @Option(
            names = "--queue",
            paramLabel = "FILE",
            description =
                    "For ${bundle:with a queue} of two towers, without shared or only own negatives: further keys, as of"
                            + " earlier batches, which have no gradient.")
    String queue;

    @Option(
            names = "--labels",
            paramLabel = "FILE",
            description = "N or N x 1 labels 1 or 0 of any number type; for ${bundle:with labels}.")
    String labels;

    @Option(
            names = "--row-labels",
            paramLabel = "FILE",
            description =
                    "With --mining and for ${bundle:with row labels}: a whole number for each row that has a loss;"
                            + " equal ones alike, one below 0 like no other.")
    String rowLabels;

    @Option(
            names = "--key-labels",
            paramLabel = "FILE",
            description =
                    "For ${bundle:with aggregation}: likewise for each key, then each row of the queue; makes two towers.")
    String keyLabels;

    @Option(
            names = "--groups",
            paramLabel = "FILE",
            description =
                    "A whole number for each row that has a loss; rows of one number >= 0 are no negatives of each other.")
    String groups;

    @Option(
            names = "--key-groups",
            paramLabel = "FILE",
            description =
                    "Likewise for each key of two towers, then each row of the queue (default: key i is of the group of query i).")
    String keyGroups;

    @Option(
            names = "--key-offsets",
            paramLabel = "FILE",
            description =
                    "For ${bundle:with key offsets} without shared or only own negatives: what is added to the logits of each"
                            + " key, -30 to 30, such as -ln of how likely it is drawn (logQ).")
    String keyOffsets;

    @Option(
            names = "--teacher-scores",
            paramLabel = "FILE",
            description =
                    "For ${bundle:with teacher scores}: N x (M + 1) scores of each query's key and then of its M negatives,"
                            + " -1e30 to 1e30.")
    String teacherScores;

    @Option(
            names = "--exclude-above",
            paramLabel = "KIND:MARGIN",
            converter = ThresholdConverter.class,
            description =
                    "For ${bundle:with a threshold}: negatives more similar than the row's positive less a margin are left out;"
                            + " absolute:MARGIN, or relative:MARGIN for a share of the positive's similarity (default: none"
                            + " are).")
    Threshold excludeAbove;

    @Option(
            names = "--blocks",
            paramLabel = "NAME",
            split = ",",
            converter = Choices.Blocks.class,
            completionCandidates = Choices.Blocks.class,
            description =
                    "For ${bundle:with blocks} without shared or only own negatives, pairs that are negatives too, with commas between them:"
                            + " ${COMPLETION-CANDIDATES} (default: none; all three: GTE).")
    Set<Block> blocks;

    @Option(
            names = "--prefixes",
            paramLabel = "D,D,...",
            converter = Prefixes.Converter.class,
            description =
                    "The sum of the losses of the first D numbers of all rows, for each D, which rise (Matryoshka; default:"
                            + " the loss of all numbers).")
    Prefixes prefixes;

    @Option(
            names = "--weights",
            paramLabel = "FILE",
            description = "A weight >= 0 for each row that has a loss (default: 1).")
    String weights;

    @Option(names = "--temperature", paramLabel = "TAU", description = "Temperature; a loss without one ignores it.")
    Double temperature;

    @Option(
            names = "--bias",
            paramLabel = "B",
            description = "For ${bundle:with a bias}: added to every logit (default: 0).")
    Double bias;

    @Option(names = "--margin", paramLabel = "M", description = "Margin, needed for ${bundle:with a margin}.")
    Double margin;

    @Option(
            names = "--scale",
            paramLabel = "G",
            description = "Needed for ${bundle:with a scale}: of its penalties, above 0.")
    Double scale;

    @Option(
            names = "--positive-scale",
            paramLabel = "A",
            description = "Needed for ${bundle:with scales}: of the penalties of positives, above 0.")
    Double positiveScale;

    @Option(
            names = "--negative-scale",
            paramLabel = "B",
            description = "Needed for ${bundle:with scales}: of the penalties of negatives, above 0.")
    Double negativeScale;

    @Option(
            names = "--base",
            paramLabel = "S",
            description = "For ${bundle:with scales}: the similarity about which pairs are weighed (default: 0.5).")
    Double base;

    @Option(
            names = "--denominator",
            paramLabel = "NAME",
            converter = Choices.Denominators.class,
            completionCandidates = Choices.Denominators.class,
            description =
                    "For ${bundle:with a denominator}, what the positive competes against: ${COMPLETION-CANDIDATES} (default:"
                            + " all; negatives: decoupled, DCL).")
    Denominator denominator;

    @Option(
            names = "--positive-margin",
            paramLabel = "M",
            description = "For ${bundle:with a denominator}: taken off the positive's similarity (default: 0).")
    Double positiveMargin;

    @Option(
            names = {"--class-prior", "--prior"},
            paramLabel = "P",
            description =
                    "How likely a negative is really a positive, in [0, 1): the loss is debiased for it (default: 0).")
    Double classPrior;

    @Option(
            names = "--hardness",
            paramLabel = "A",
            description =
                    "For ${bundle:with a denominator}: the exponential of a negative is that of z + A s, in [0, 1000]; A s is not differentiated (default: 0).")
    Double hardness;

    @Option(
            names = "--aggregation",
            paramLabel = "NAME",
            converter = Choices.Aggregations.class,
            completionCandidates = Choices.Aggregations.class,
            description =
                    "For ${bundle:with aggregation}, how a row's positives make one loss: ${COMPLETION-CANDIDATES} (default:"
                            + " outside).")
    Aggregation aggregation;

    @Option(
            names = "--similarity",
            paramLabel = "NAME",
            converter = Choices.Similarities.class,
            completionCandidates = Choices.Similarities.class,
            description = "One of ${COMPLETION-CANDIDATES} (default: cosine; dot for ${bundle:without cosine}).")
    Similarity similarity;

    @Option(
            names = "--distance",
            paramLabel = "NAME",
            converter = Choices.Distances.class,
            completionCandidates = Choices.Distances.class,
            description = "For ${bundle:with a distance}: ${COMPLETION-CANDIDATES} (default: euclidean).")
    Distance distance;

    @Option(
            names = "--mining",
            paramLabel = "NAME",
            converter = Choices.Minings.class,
            completionCandidates = Choices.Minings.class,
            description =
                    "For ${bundle:with mining}, triplets among the rows: ${COMPLETION-CANDIDATES} (default: none).")
    Mining mining;

    @Option(names = "--soft-margin", description = "For ${bundle:with mining}: ln(1 + exp(x)) in place of max(0, x).")
    Boolean softMargin;

    @Option(
            names = "--reduction",
            paramLabel = "NAME",
            converter = Choices.Reductions.class,
            completionCandidates = Choices.Reductions.class,
            description = "One of ${COMPLETION-CANDIDATES} (default: mean).")
    Reduction reduction = Reduction.MEAN;

    @Option(
            names = "--negative-reduction",
            paramLabel = "NAME",
            converter = Choices.NegativeReductions.class,
            completionCandidates = Choices.NegativeReductions.class,
            description =
                    "For ${bundle:with a negative reduction} without --negatives, over a row's negatives: ${COMPLETION-CANDIDATES}"
                            + " (default: mean).")
    Reduction negativeReduction;

    @Option(
            names = "--device",
            paramLabel = "NAME",
            converter = Choices.Devices.class,
            completionCandidates = Choices.Devices.class,
            description = "One of ${COMPLETION-CANDIDATES} (default: the best there is).")
    private String deviceName;

    @Option(
            names = "--gradients",
            paramLabel = "DIR",
            description =
                    "Writes dQueries.npy, dKeys.npy and dNegatives.npy there, all or none, shaped as the inputs; float64"
                            + " for those in float64, else float32. Those of an earlier run go.")
    private Path gradientFolder;

    @Option(names = "--json", description = "Prints one JSON object.")
    private boolean json;

    @Override
    public Integer call() throws Exception {
        ContrastiveLoss loss = checkedLoss();
        if (gradientFolder != null) {
            GradientFiles.check(gradientFolder, files());
        }
        try (Arena arena = Arena.ofShared();
                Device device = deviceName == null ? Device.best() : Device.named(deviceName)) {
            LossFiles files = LossFiles.read(this, loss, arena);
            try (Plan plan = plan(device, files)) {
                Gradients gradients = gradientFolder == null
                        ? new Gradients(null, null, null)
                        : GradientFiles.allocate(files, plan.dtype(), arena);
                GradientResult result = plan.forwardBackward(files.inputs(plan.dtype(), arena), gradients);
                if (gradientFolder != null) {
                    GradientFiles.write(gradientFolder, files, gradients, arena);
                }
                print(new LossReport(
                        result,
                        plan.loss().hasBias(),
                        device.name(),
                        device.description(),
                        plan.shape(),
                        plan.dtype()));
            }
        } catch (InfoNceException e) {
            throw withFile(e);
        }
        return CommandRunner.OK;
    }

    /** The names of files by the option that has them, of those that were given. */
    Map<String, String> files() {
        Map<String, String> files = new LinkedHashMap<>();
        files.put("--queries", queries);
        files.put("--keys", keys);
        files.put("--negatives", negatives);
        files.put("--queue", queue);
        files.put("--labels", labels);
        files.put("--row-labels", rowLabels);
        files.put("--key-labels", keyLabels);
        files.put("--groups", groups);
        files.put("--key-groups", keyGroups);
        files.put("--key-offsets", keyOffsets);
        files.put("--teacher-scores", teacherScores);
        files.put("--weights", weights);
        files.values().removeIf(Objects::isNull);
        return files;
    }

    /** What a device says of a matrix, with the option and the file that it is from. */
    private Exception withFile(InfoNceException failure) {
        for (Map.Entry<String, String> file : files().entrySet()) {
            String argument = file.getKey().substring("--".length()) + ": ";
            if (failure.getMessage().startsWith(argument)) {
                String what = failure.getMessage().substring(argument.length());
                return new CliException(file.getKey() + ": " + file.getValue() + ": " + what, failure);
            }
        }
        return failure;
    }

    /** Of the files' element type, or float32, which holds all their numbers, where the device has no 16-bit types. */
    private static Plan plan(Device device, LossFiles files) {
        DType dtype = files.dtype();
        PlanOptions options =
                PlanOptions.defaults().withGradientDType(dtype == DType.FLOAT64 ? DType.FLOAT64 : DType.FLOAT32);
        try {
            return device.plan(files.loss(), files.shape(), dtype, options);
        } catch (InfoNceException e) {
            if (e.status() == Status.UNSUPPORTED && (dtype == DType.FLOAT16 || dtype == DType.BFLOAT16)) {
                return device.plan(files.loss(), files.shape(), DType.FLOAT32);
            }
            throw e;
        }
    }

    private void print(LossReport report) throws IOException {
        PrintWriter out = spec.commandLine().getOut();
        if (json) {
            report.printJson(out);
        } else {
            report.printText(out);
        }
    }

    private ContrastiveLoss checkedLoss() {
        try {
            return LossOptions.loss(this);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
    }
}
