// Draw each figure when it comes into view, so that a large report opens at once.
const figures = JSON.parse(document.getElementById("figures").textContent);
const unwanted = ["select2d", "lasso2d", "autoScale2d", "sendChartToCloud"];
const config = { responsive: true, displaylogo: false, showSendToCloud: false, modeBarButtonsToRemove: unwanted };
const draw = (place) => {
  const figure = figures[place.dataset.figure];
  Plotly.newPlot(place, figure.data, figure.layout, config);
};
const watch = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (entry.isIntersecting) {
      watch.unobserve(entry.target);
      draw(entry.target);
    }
  }
}, { rootMargin: "400px" });
for (const place of document.querySelectorAll("[data-figure]")) {
  place.style.minHeight = `${figures[place.dataset.figure].layout.height}px`;
  watch.observe(place);
}
addEventListener("beforeprint", () => {
  for (const place of document.querySelectorAll("[data-figure]:empty")) { watch.unobserve(place); draw(place); }
});
