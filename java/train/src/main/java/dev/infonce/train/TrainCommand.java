package dev.infonce.train;

import dev.infonce.cli.CommandRunner;
import dev.infonce.cli.CommonOptions;
import dev.infonce.djl.simclr.SimClrTraining;
import dev.infonce.djl.simclr.TrainOptions;
import dev.infonce.djl.simclr.TrainingLoss;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command {@code infonce train}: SimCLR on Fashion-MNIST. */
@Command(
        name = "infonce train",
        sortOptions = false,
        description = {
            "Trains a small image encoder on Fashion-MNIST without labels (SimCLR, with this library's NT-Xent, or another loss),",
            "then measures it with a k-nearest-neighbour classifier and a linear probe and writes a report."
        },
        footer = {
            "Ctrl-C or SIGTERM ends the training and evaluates what was learned so far; once more aborts.",
            "Exit code: 0 done, 1 failure, 2 wrong usage."
        })
public final class TrainCommand implements Callable<Integer> {
    @Spec
    private CommandSpec spec;

    @Mixin
    private CommonOptions common;

    @Option(
            names = "--data",
            paramLabel = "DIR",
            description = "Folder of the IDX files, plain or .gz (default: the Debian package dataset-fashion-mnist,"
                    + " installed or fetched into the user's cache).")
    private Path data;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "Folder of the results, new or empty (default: runs/DATE-TIME).")
    private Path out;

    @Option(names = "--overwrite", description = "Replaces the results of an earlier run in --out.")
    private boolean overwrite;

    @Option(names = "--epochs", paramLabel = "N", description = "Passes over the images, 1 to 1000.")
    private Integer epochs;

    @Option(
            names = "--steps",
            paramLabel = "N",
            description = "Optimiser steps, instead of --epochs (default: 865; quick: 156).")
    private Integer steps;

    @Option(names = "--quick", description = "A smaller encoder, 20 000 images and 156 steps; probes of 5000 images.")
    private boolean quick;

    @Option(
            names = "--seed",
            paramLabel = "N",
            defaultValue = "0",
            description = "Seed of all randomness (default: ${DEFAULT-VALUE}).")
    private long seed;

    @Option(
            names = "--loss",
            paramLabel = "NAME",
            description =
                    "What is learned by: ntxent, dcl, supcon (which sees the labels), siglip, nt-logistic or triplet"
                            + " (default: ntxent).")
    private String loss;

    @Option(names = "--batch", paramLabel = "N", description = "Images a step, 2 to 16384 (default: 256).")
    private Integer batch;

    @Option(
            names = "--device",
            paramLabel = "NAME",
            defaultValue = "best",
            description = "Where the loss is computed: best, java, cpu or cuda (default: ${DEFAULT-VALUE}).")
    private String device;

    @Option(
            names = "--resume",
            paramLabel = "DIR",
            description = "Goes on with the run in this folder, with its settings.")
    private Path resume;

    @Option(
            names = "--require-gain",
            paramLabel = "P",
            description = "Fails unless the linear probe gains P percentage points over the untrained encoder.")
    private Double requireGain;

    private TrainCommand() {}

    /** Runs the command and exits with 0 (done), 1 (failure) or 2 (wrong usage). */
    public static void main(String[] arguments) {
        CommandRunner.runAndExit(new TrainCommand(), arguments);
    }

    static TrainCommand create() {
        return new TrainCommand();
    }

    @Override
    public Integer call() {
        return SimClrTraining.run(options(), System.out, System.err);
    }

    private TrainingLoss trainingLoss() {
        return loss == null ? null : TrainingLoss.ofWord(loss);
    }

    private TrainOptions options() {
        try {
            return new TrainOptions(
                    data,
                    out,
                    overwrite,
                    epochs,
                    steps,
                    quick,
                    seed,
                    trainingLoss(),
                    batch,
                    device,
                    resume,
                    requireGain);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), e.getMessage(), e);
        }
    }
}
