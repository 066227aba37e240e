'use strict';
const report = JSON.parse(document.getElementById('data').textContent);
const classColours = ['#4e79a7', '#f28e2b', '#e15759', '#3fb5ac', '#59a14f', '#d9b32c', '#b07aa1', '#ff8fa3', '#a9745b', '#8c959f'];
const charts = [];

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();
}

// mean over a window around each step, narrower at the ends
function smoothed(values) {
  const reach = Math.max(2, Math.round(values.length / 60));
  return values.map((_, i) => {
    const half = Math.min(reach, i, values.length - 1 - i);
    const window = values.slice(i - half, i + half + 1);
    return window.reduce((sum, value) => sum + value, 0) / window.length;
  });
}

// at most 600 points, so that long runs stay light
function thinned(values) {
  const every = Math.ceil(values.length / 600);
  return values.map((value, i) => [i + 1, value]).filter((_, i) => i % every === 0 || i === values.length - 1);
}

function column(name) {
  return report.curve.map(point => point[name]);
}

function axis(extra) {
  return Object.assign({
    type: 'value', scale: true,
    axisLabel: { color: colour('muted'), hideOverlap: true }, axisLine: { lineStyle: { color: colour('line') } },
    splitLine: { lineStyle: { color: colour('line') } }, nameTextStyle: { color: colour('muted') },
  }, extra);
}

function base() {
  return {
    animation: false, textStyle: { fontFamily: 'system-ui, sans-serif' },
    grid: { left: 8, right: 14, top: 34, bottom: 30, containLabel: true },
    tooltip: { trigger: 'axis', confine: true, backgroundColor: colour('surface'), borderColor: colour('line'),
      textStyle: { color: colour('text') }, valueFormatter: value => Number(value).toPrecision(4) },
  };
}

function stepAxis() {
  return axis({ name: 'step', nameLocation: 'middle', nameGap: 24, min: 0, max: report.curve.length,
    axisLabel: { color: colour('muted'), hideOverlap: true, showMaxLabel: false } });
}

function lines(name, label, tone, yAxisIndex) {
  const values = column(name);
  return [
    { name: label + ', each step', type: 'line', data: thinned(values), showSymbol: false, yAxisIndex, silent: true,
      lineStyle: { color: colour(tone), width: 1, opacity: .25 }, itemStyle: { color: colour(tone) }, tooltip: { show: false } },
    { name: label, type: 'line', data: thinned(smoothed(values)), showSymbol: false, yAxisIndex,
      lineStyle: { color: colour(tone), width: 2 }, itemStyle: { color: colour(tone) } },
  ];
}

function curve(name, label, percent) {
  return Object.assign(base(), {
    grid: { left: 8, right: 14, top: 14, bottom: 30, containLabel: true },
    xAxis: stepAxis(),
    yAxis: axis(percent ? { min: 0, max: 1, axisLabel: { color: colour('muted'), formatter: v => Math.round(100 * v) + ' %' } } : {}),
    series: lines(name, label, 'accent', 0),
  });
}

function snapshots(name, tone, yAxisIndex) {
  return { name, type: 'line', yAxisIndex, symbolSize: 4, data: report.snapshots.map(point => [point.step, point[name]]),
    lineStyle: { color: colour(tone), width: 2 }, itemStyle: { color: colour(tone) } };
}

function geometry() {
  const side = (name, tone, position) => axis({ name, position, nameTextStyle: { color: colour(tone),
    align: position === 'left' ? 'left' : 'right' }, splitLine: { show: position === 'left', lineStyle: { color: colour('line') } } });
  return Object.assign(base(), {
    xAxis: stepAxis(),
    yAxis: [side('uniformity', 'accent', 'left'), side('alignment', 'second', 'right')],
    series: [snapshots('uniformity', 'accent', 0), snapshots('alignment', 'second', 1)],
  });
}

function cosines(geometry) {
  const bins = geometry.positives.length;
  const centre = i => -1 + (2 * i + 1) / bins;
  const area = (values, label, tone) => ({
    name: label, type: 'line', step: 'middle', showSymbol: false, data: values.map((v, i) => [centre(i), v]),
    lineStyle: { color: colour(tone), width: 1.5 }, itemStyle: { color: colour(tone) }, areaStyle: { color: colour(tone), opacity: .28 },
  });
  const option = base();
  option.tooltip.valueFormatter = value => (100 * value).toFixed(1) + ' %';
  option.grid.top = 14;
  return Object.assign(option, {
    xAxis: axis({ name: 'cosine', nameLocation: 'middle', nameGap: 24, min: -1, max: 1, axisPointer: { label: { show: true } } }),
    yAxis: axis({ min: 0, axisLabel: { color: colour('muted'), formatter: v => Math.round(100 * v) + ' %' } }),
    series: [area(geometry.others, 'different classes', 'third'), area(geometry.sameClass, 'same class', 'second'),
      area(geometry.positives, 'same image', 'accent')],
  });
}

function map(points) {
  const reach = axisIndex => {
    const values = points.map(p => p[axisIndex]);
    return [Math.min(...values), Math.max(...values)];
  };
  const [left, right] = reach(0);
  const [bottom, top] = reach(1);
  const half = Math.max(right - left, top - bottom) * .53;
  const plane = (middle) => ({ type: 'value', show: false, min: middle - half, max: middle + half });
  return {
    animation: false, grid: { left: 4, right: 4, top: 4, bottom: 4 },
    xAxis: plane((left + right) / 2), yAxis: plane((bottom + top) / 2),
    series: classColours.map((tone, label) => ({
      type: 'scatter', symbolSize: 4.5, silent: true, itemStyle: { color: tone, opacity: .8 },
      data: points.filter((_, i) => report.map.labels[i] === label),
    })),
  };
}

function show(id, option) {
  const element = document.getElementById(id);
  charts.push({ chart: echarts.init(element, null, { renderer: 'svg' }), option });
}

show('loss', () => curve('loss', 'loss', false));
show('top1', () => curve('top1', 'partner found', true));
show('geometry', geometry);
show('cosinesBefore', () => cosines(report.before));
show('cosinesAfter', () => cosines(report.after));
show('mapBefore', () => map(report.map.before));
show('mapAfter', () => map(report.map.after));
document.querySelectorAll('#classes i').forEach((dot, i) => { dot.style.background = classColours[i]; });

function draw() {
  charts.forEach(({ chart, option }) => chart.setOption(option(), true));
}
draw();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw);
new ResizeObserver(() => charts.forEach(({ chart }) => chart.resize())).observe(document.querySelector('main'));
