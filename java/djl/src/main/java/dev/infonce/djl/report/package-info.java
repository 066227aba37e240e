/** The result of a training run as report.json and as one self-contained report.html. */
package dev.infonce.djl.report;
