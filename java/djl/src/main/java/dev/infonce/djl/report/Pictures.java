package dev.infonce.djl.report;

import dev.infonce.djl.data.ImageSet;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.Base64;
import javax.imageio.ImageIO;

/** Grey images as PNG inside a data URI. */
final class Pictures {
    private Pictures() {}

    /** One image of a set. */
    static String dataUri(ImageSet images, int image) {
        BufferedImage picture = new BufferedImage(images.width(), images.height(), BufferedImage.TYPE_BYTE_GRAY);
        byte[] pixels = new byte[images.pixelsPerImage()];
        System.arraycopy(images.pixels(), image * pixels.length, pixels, 0, pixels.length);
        picture.getRaster().setDataElements(0, 0, images.width(), images.height(), pixels);
        ByteArrayOutputStream png = new ByteArrayOutputStream();
        try {
            ImageIO.write(picture, "png", png);
        } catch (IOException e) {
            throw new IllegalStateException("a PNG could not be written to memory", e);
        }
        return "data:image/png;base64," + Base64.getEncoder().encodeToString(png.toByteArray());
    }
}
