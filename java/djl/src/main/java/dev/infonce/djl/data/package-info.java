/** Image data: IDX files, where Fashion-MNIST is found, random views and the pipeline that prepares them. */
package dev.infonce.djl.data;
