/* Plays a lesson: with a local hls.js if the box has one and the browser can run it, else natively, else it shows
   the address. Chromium's own player does not follow a growing playlist (it stays at zero: seen in version 156), so
   while a lesson runs it gets snapshots of it, one after the other. */
(function () {
  'use strict';
  var HLS_TYPE = 'application/vnd.apple.mpegurl';
  var PAUSE_MS = 4000;
  var TRIES = 15;
  var attached = null;

  function attach() {
    var video = document.getElementById('video');
    if (!video || video === attached) { return; }
    attached = video;
    if (window.Hls && window.Hls.isSupported()) {
      withLibrary(video);
    } else if (!video.canPlayType(HLS_TYPE)) {
      document.getElementById('no-player').hidden = false;
    } else if (video.hasAttribute('data-running') && /Chrom(e|ium)\//.test(navigator.userAgent)) {
      withSnapshots(video);
    }
  }

  function withLibrary(video) {
    var player = new window.Hls();
    player.loadSource(video.getAttribute('data-hls'));
    player.attachMedia(video);
  }

  function withSnapshots(video) {
    var loads = 0, tries = 0, reached = 0, length = 0;

    function load() {
      loads += 1;
      video.src = video.getAttribute('data-hls') + '?snapshot=true&n=' + loads;
    }

    video.addEventListener('loadedmetadata', function () {
      if (loads === 1) { length = video.duration; return; }
      tries = video.duration > length + 0.5 ? 0 : tries + 1;
      length = video.duration;
      video.currentTime = Math.min(reached, length);
      if (tries === 0) { video.play(); } else if (tries < TRIES) { setTimeout(load, PAUSE_MS); }
    });
    video.addEventListener('ended', function () {
      if (loads === 1 || tries === 0) { reached = video.currentTime; setTimeout(load, PAUSE_MS / 4); }
    });
    load();
  }

  attach();
  document.addEventListener('refreshed', attach);
}());
