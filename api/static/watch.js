/* Plays HLS natively where the browser can, else with a local hls.js if the box has one, else shows the address. */
(function () {
  'use strict';
  var HLS_TYPE = 'application/vnd.apple.mpegurl';
  var attached = null;

  function attach() {
    var video = document.getElementById('video');
    if (!video || video === attached) { return; }
    attached = video;
    if (video.canPlayType(HLS_TYPE)) { return; }
    if (window.Hls && window.Hls.isSupported()) {
      var player = new window.Hls();
      player.loadSource(video.getAttribute('data-hls'));
      player.attachMedia(video);
      return;
    }
    document.getElementById('no-player').hidden = false;
  }

  attach();
  document.addEventListener('refreshed', attach);
}());
