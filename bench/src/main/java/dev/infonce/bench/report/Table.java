package dev.infonce.bench.report;

import com.github.freva.asciitable.AsciiTable;
import com.github.freva.asciitable.Column;
import com.github.freva.asciitable.HorizontalAlign;
import java.util.ArrayList;
import java.util.List;

/**
 * A table, for the terminal and for the page.
 *
 * @param title above it
 * @param note below the title; may be empty
 * @param headers of the columns
 * @param textColumns how many columns, from the left, hold words; numbers are set to the right
 * @param rows as long as headers
 */
public record Table(String title, String note, List<String> headers, int textColumns, List<List<String>> rows) {
    /** For a terminal. */
    public String text() {
        List<Column> columns = new ArrayList<>();
        for (int i = 0; i < headers.size(); i++) {
            HorizontalAlign align = i < textColumns ? HorizontalAlign.LEFT : HorizontalAlign.RIGHT;
            columns.add(new Column().header(headers.get(i)).headerAlign(align).dataAlign(align));
        }
        String[][] cells = rows.stream().map(row -> row.toArray(String[]::new)).toArray(String[][]::new);
        return title
                + System.lineSeparator()
                + (note.isEmpty() ? "" : note + System.lineSeparator())
                + AsciiTable.getTable(AsciiTable.BASIC_ASCII_NO_DATA_SEPARATORS, columns.toArray(Column[]::new), cells);
    }

    /** For a page. */
    public String html() {
        StringBuilder html = new StringBuilder("<section><h2>" + Html.escaped(title) + "</h2><p>" + Html.escaped(note)
                + "</p><div class=\"scroll\"><table><thead>");
        row(html, "th", headers);
        html.append("</thead><tbody>");
        rows.forEach(row -> row(html, "td", row));
        return html.append("</tbody></table></div></section>").toString();
    }

    private void row(StringBuilder html, String tag, List<String> cells) {
        html.append("<tr>");
        for (int i = 0; i < cells.size(); i++) {
            html.append('<').append(tag).append(i < textColumns ? ">" : " class=\"number\">");
            html.append(Html.escaped(cells.get(i))).append("</").append(tag).append('>');
        }
        html.append("</tr>");
    }
}
