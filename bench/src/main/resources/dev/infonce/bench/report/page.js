'use strict';
const results = JSON.parse(document.getElementById('data').textContent);
const tones = ['#4e79a7', '#f28e2b', '#59a14f', '#e15759', '#b07aa1', '#3fb5ac', '#a9745b', '#d9b32c'];
const charts = [];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
}

function axis(name, extra) {
  return Object.assign({
    name, nameLocation: 'middle', nameGap: 42, type: 'log', axisLabel: { color: colour('muted'), hideOverlap: true },
    axisLine: { lineStyle: { color: colour('line') } }, splitLine: { lineStyle: { color: colour('line') } },
    nameTextStyle: { color: colour('muted') },
  }, extra);
}

function chart(series, xAxis, yAxis) {
  return {
    animation: false, color: tones, textStyle: { fontFamily: 'system-ui, sans-serif' },
    grid: { left: 20, right: 20, top: 60, bottom: 30, containLabel: true },
    legend: { type: 'scroll', textStyle: { color: colour('text') } },
    tooltip: { trigger: 'item', confine: true, valueFormatter: value => String(value) }, xAxis, yAxis, series,
  };
}

function nAxis() {
  return axis('N = M', { logBase: 2, nameGap: 28 });
}

// one line a name, points sorted, the last measurement of a place wins
function lines(points) {
  const byName = new Map();
  points.filter(point => point.y > 0).forEach(({ name, x, y }) => {
    if (!byName.has(name)) byName.set(name, new Map());
    byName.get(name).set(x, y);
  });
  return [...byName].map(([name, line]) => ({
    name, type: 'line', symbolSize: 7, data: [...line].sort((a, b) => a[0] - b[0]),
  }));
}

function symmetric(row) {
  return row.loss === 'symmetric';
}

function ourSpeeds() {
  return results.speeds.filter(s => symmetric(s) && s.dtype === 'FLOAT32' && s.call === 'forward+backward');
}

function sides() {
  return results.comparisons.filter(symmetric).flatMap(({ n, dim, variant, ours, peer }) => [
    { n, dim, name: ours.engine, side: ours },
    { n, dim, name: peer.engine + ' (' + variant + ')', side: peer },
  ]);
}

function speed() {
  const points = ourSpeeds().map(s => ({ name: s.device + ', D = ' + s.dim, x: s.n, y: s.milliseconds }))
    .concat(sides().map(({ n, dim, name, side }) => ({ name: name + ', D = ' + dim, x: n, y: side.milliseconds })));
  return chart(lines(points), nAxis(), axis('ms'));
}

function memory() {
  const points = results.memory.map(m => ({ name: m.engine + ', D = ' + m.dim, x: m.n, y: m.scratchMiB }))
    .concat(sides().filter(({ side }) => side.engine !== 'cpu' && side.engine !== 'java')
      .map(({ n, dim, name, side }) => ({ name: name + ', D = ' + dim, x: n, y: side.scratchMiB })));
  const sizes = [...new Set(points.map(point => point.x))].sort((a, b) => a - b);
  const matrix = { name: 'the matrix', type: 'line', showSymbol: false, lineStyle: { type: 'dashed' },
    data: sizes.map(n => [n, n * n * 4 / 1048576]) };
  return chart(lines(points).concat([matrix]), nAxis(), axis('MiB'));
}

function share() {
  const points = ourSpeeds().filter(s => s.device === 'cpu' && s.share > 0)
    .map(s => ({ name: 'N = ' + s.n, x: s.dim, y: Math.round(1000 * s.share) / 10 }));
  return chart(lines(points), axis('D', { logBase: 2, nameGap: 28 }), axis('%', { type: 'value', min: 0, max: 100 }));
}

function show(id, option) {
  charts.push({ chart: echarts.init(document.getElementById(id), null, { renderer: 'svg' }), option });
}

show('speed', speed);
show('memory', memory);
show('share', share);

function draw() {
  charts.forEach(({ chart: drawing, option }) => drawing.setOption(option(), true));
}
draw();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
new ResizeObserver(() => charts.forEach(({ chart: drawing }) => drawing.resize())).observe(document.querySelector('main'));
