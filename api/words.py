"""What the pages say, in English, Chinese and Tibetan; and which of them a browser is to get.

Tibetan is kept to short plain phrases; corrections by native speakers are welcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

FALLBACK = "en"

_EN = {
    "language": "English",
    "product": "Lesson recorder",
    "start": "Start recording",
    "stop": "Stop recording",
    "light_idle": "Ready",
    "light_starting": "Starting …",
    "light_recording": "Recording",
    "light_trouble": "Something is missing",
    "hint_idle": "Press the button when the lesson begins.",
    "hint_starting": "The cameras are waking up. This takes a few seconds.",
    "hint_recording": "Everything is being recorded. You may close this page.",
    "hint_blocked": "Nothing can be recorded now. Please call the technician.",
    "hint_trouble": "See below which source is missing. What arrives is being recorded.",
    "title": "Title of the lesson",
    "optional": "may stay empty",
    "elapsed": "Elapsed time",
    "sources": "Cameras and microphones",
    "required": "needed",
    "no_picture": "No picture yet",
    "sound_only": "Sound",
    "feed_standby": "on standby",
    "feed_waiting": "waiting for the signal",
    "feed_recording": "is being recorded",
    "feed_late": "nothing new is arriving",
    "feed_lost": "no signal",
    "feed_finished": "finished",
    "role_teacher": "Teacher",
    "role_teacher_closeup": "Teacher, close",
    "role_students": "Students",
    "role_students_closeup": "Students, close",
    "role_board": "Board",
    "role_screen": "Screen",
    "role_mic": "Microphone",
    "lessons": "Lessons",
    "last_lesson": "Last lesson",
    "no_lessons": "No lesson has been recorded yet.",
    "older": "Older lessons",
    "back": "Back to the button",
    "watch": "Watch",
    "state_created": "not started",
    "state_recording": "being recorded",
    "state_processing": "being prepared",
    "state_published": "stored safely",
    "state_damaged": "damaged",
    "state_empty": "nothing recorded",
    "started_at": "Started",
    "duration": "Length",
    "room": "Room",
    "not_yet": "There is nothing to play yet. The first pictures come about 20 seconds after the start.",
    "live_note": "This lesson is still running; playback is about 20 seconds behind.",
    "no_player": "This browser cannot play the lesson by itself. Open this address in a video player:",
    "gaps": "Missing stretches",
    "offline": "No connection to the recorder. It goes on recording by itself.",
    "disk_low": "The disk is nearly full. Please call the technician.",
    "fault_capture_fails": "A camera or microphone is not working. Please call the technician.",
    "fault_stage_given_up": "Preparing lessons is held up. Recording goes on; the technician should look.",
    "fault_store_refuses": "The store refuses our lessons. They are kept here; the technician should look.",
    "fault_store_unreachable": "The line to the store is down. Lessons are kept here and sent when it is back.",
    "fault_lesson_stuck": "An earlier lesson could not be finished yet. It is tried again.",
    "fault_lesson_damaged": "An earlier lesson is damaged. The technician should look.",
    "fault_disk_slow": "The disk is very slow. Please call the technician.",
    "fault_disk_refuses": "The disk takes nothing more. Please call the technician.",
    "fault_conductor_hangs": "The recorder does not answer the button. Please call the technician.",
    "fault_clock_untrusted": "The recorder's clock is wrong. Recording goes on.",
    "problem": "That did not work",
    "problem_hint": "Please try again. If it happens again, call the technician.",
}

_ZH = {
    "language": "中文",
    "product": "课堂录制",
    "start": "开始录课",
    "stop": "停止录课",
    "light_idle": "准备就绪",
    "light_starting": "正在启动……",
    "light_recording": "正在录制",
    "light_trouble": "有信号缺失",
    "hint_idle": "上课时请按此按钮。",
    "hint_starting": "摄像机正在启动，请等几秒钟。",
    "hint_recording": "一切正常录制中，可以关闭本页面。",
    "hint_blocked": "目前无法录制，请联系技术人员。",
    "hint_trouble": "请看下面缺少哪一路信号。其余信号仍在录制。",
    "title": "课程标题",
    "optional": "可不填",
    "elapsed": "已录时间",
    "sources": "摄像机和麦克风",
    "required": "必需",
    "no_picture": "暂无画面",
    "sound_only": "声音",
    "feed_standby": "待机",
    "feed_waiting": "等待信号",
    "feed_recording": "正在录制",
    "feed_late": "没有新数据",
    "feed_lost": "无信号",
    "feed_finished": "已结束",
    "role_teacher": "教师",
    "role_teacher_closeup": "教师特写",
    "role_students": "学生",
    "role_students_closeup": "学生特写",
    "role_board": "黑板",
    "role_screen": "屏幕",
    "role_mic": "麦克风",
    "lessons": "课程列表",
    "last_lesson": "上一节课",
    "no_lessons": "还没有录制的课程。",
    "older": "更早的课程",
    "back": "返回录课按钮",
    "watch": "观看",
    "state_created": "未开始",
    "state_recording": "正在录制",
    "state_processing": "正在处理",
    "state_published": "已安全保存",
    "state_damaged": "已损坏",
    "state_empty": "没有录到内容",
    "started_at": "开始时间",
    "duration": "时长",
    "room": "教室",
    "not_yet": "暂时没有可播放的内容。开始录制约20秒后会出现画面。",
    "live_note": "课程仍在进行，播放大约延迟20秒。",
    "no_player": "此浏览器不能直接播放。请在视频播放器中打开此地址：",
    "gaps": "缺失的片段",
    "offline": "与录播设备的连接已断开，设备会继续自行录制。",
    "disk_low": "磁盘空间快满了，请联系技术人员。",
    "fault_capture_fails": "有摄像机或麦克风不工作，请联系技术人员。",
    "fault_stage_given_up": "课程处理受阻，录制仍在继续；请技术人员检查。",
    "fault_store_refuses": "存储服务器拒绝接收课程，课程保存在本机；请技术人员检查。",
    "fault_store_unreachable": "与存储服务器的线路已断开，课程保存在本机，恢复后自动上传。",
    "fault_lesson_stuck": "以前的一节课还没有处理完，系统会继续尝试。",
    "fault_lesson_damaged": "以前的一节课已损坏，请技术人员检查。",
    "fault_disk_slow": "磁盘非常慢，请联系技术人员。",
    "fault_disk_refuses": "磁盘无法写入，请联系技术人员。",
    "fault_conductor_hangs": "录播设备对按钮没有反应，请联系技术人员。",
    "fault_clock_untrusted": "设备时钟不准，录制仍在继续。",
    "problem": "操作没有成功",
    "problem_hint": "请再试一次。如果仍然不行，请联系技术人员。",
}

_BO = {
    "language": "བོད་ཡིག",
    "product": "སློབ་ཚན་བརྙན་ཕབ།",
    "start": "བརྙན་ཕབ་འགོ་འཛུགས།",
    "stop": "བརྙན་ཕབ་མཚམས་འཇོག",
    "light_idle": "གྲ་སྒྲིག་ཡོད།",
    "light_starting": "འགོ་འཛུགས་བཞིན་ཡོད།",
    "light_recording": "བརྙན་ཕབ་བཞིན་ཡོད།",
    "light_trouble": "བརྡ་རྟགས་མི་ཚང་།",
    "hint_idle": "སློབ་ཁྲིད་འགོ་འཛུགས་དུས་མཐེབ་གནོན་འདི་གནོན་རོགས།",
    "hint_starting": "པར་ཆས་འགོ་འཛུགས་བཞིན་ཡོད། ཏོག་ཙམ་སྒུག་རོགས།",
    "hint_recording": "ཚང་མ་བརྙན་ཕབ་བཞིན་ཡོད། དྲ་ངོས་འདི་སྒོ་བརྒྱབ་ན་འགྲིག",
    "hint_blocked": "ད་ལྟ་བརྙན་ཕབ་བྱེད་མི་ཐུབ། ལག་རྩལ་མི་སྣར་འབྲེལ་བ་གནང་རོགས།",
    "hint_trouble": "གཤམ་ལ་གང་མི་འདུག་པ་གཟིགས་རོགས། གཞན་རྣམས་བརྙན་ཕབ་བཞིན་ཡོད།",
    "title": "སློབ་ཚན་གྱི་མིང་།",
    "optional": "མ་བྲིས་ནའང་འགྲིག",
    "elapsed": "དུས་ཡུན།",
    "sources": "པར་ཆས་དང་སྒྲ་ཆས།",
    "required": "ངེས་པར་དགོས།",
    "no_picture": "ད་དུང་བརྙན་མི་འདུག",
    "sound_only": "སྒྲ།",
    "feed_standby": "སྒུག་ནས་ཡོད།",
    "feed_waiting": "བརྡ་རྟགས་སྒུག་བཞིན་ཡོད།",
    "feed_recording": "བརྙན་ཕབ་བཞིན་ཡོད།",
    "feed_late": "གསར་པ་འབྱོར་མི་འདུག",
    "feed_lost": "བརྡ་རྟགས་མི་འདུག",
    "feed_finished": "མཇུག་རྫོགས་སོང་།",
    "role_teacher": "དགེ་རྒན།",
    "role_teacher_closeup": "དགེ་རྒན། ཉེ་པར།",
    "role_students": "སློབ་མ།",
    "role_students_closeup": "སློབ་མ། ཉེ་པར།",
    "role_board": "ནག་པང་།",
    "role_screen": "བརྙན་ཡོལ།",
    "role_mic": "སྒྲ་ཆས།",
    "lessons": "སློབ་ཚན་ཁག",
    "last_lesson": "སློབ་ཚན་སྔོན་མ།",
    "no_lessons": "ད་དུང་སློབ་ཚན་བརྙན་ཕབ་བྱས་མི་འདུག",
    "older": "སྔོན་གྱི་སློབ་ཚན།",
    "back": "མཐེབ་གནོན་ལ་ཕྱིར་ལོག",
    "watch": "ལྟ་བ།",
    "state_created": "འགོ་བཙུགས་མི་འདུག",
    "state_recording": "བརྙན་ཕབ་བཞིན་ཡོད།",
    "state_processing": "གྲ་སྒྲིག་བྱེད་བཞིན་ཡོད།",
    "state_published": "ཉར་ཚགས་བྱས་ཟིན།",
    "state_damaged": "སྐྱོན་ཤོར་འདུག",
    "state_empty": "གང་ཡང་ཕབ་མེད།",
    "started_at": "འགོ་འཛུགས་དུས་ཚོད།",
    "duration": "དུས་ཡུན།",
    "room": "འཛིན་ཁང་།",
    "not_yet": "ད་དུང་ལྟ་རྒྱུ་མི་འདུག འགོ་བཙུགས་ནས་སྐར་ཆ་༢༠ཙམ་ནས་བརྙན་འབྱུང་།",
    "live_note": "སློབ་ཚན་འདི་འགྲོ་བཞིན་ཡོད། བརྙན་སྐར་ཆ་༢༠ཙམ་གྱིས་འཕྱི།",
    "no_player": "དྲ་ཆས་འདིས་ཐད་ཀར་གཏོང་མི་ཐུབ། བརྙན་གཏོང་ཆས་ནང་ཁ་བྱང་འདི་ཁ་ཕྱེ་རོགས།",
    "gaps": "མི་འདུག་པའི་དུམ་བུ།",
    "offline": "བརྙན་ཕབ་འཕྲུལ་ཆས་དང་འབྲེལ་མཐུད་མི་འདུག འཕྲུལ་ཆས་ཀྱིས་རང་འགུལ་ངང་མུ་མཐུད་བརྙན་ཕབ་བྱེད།",
    "disk_low": "སྡུད་སྡེར་གང་ལ་ཉེ། ལག་རྩལ་མི་སྣར་འབྲེལ་བ་གནང་རོགས།",
    "fault_capture_fails": "པར་ཆས་སམ་སྒྲ་ཆས་ཤིག་ལས་ཀ་བྱེད་མི་འདུག ལག་རྩལ་མི་སྣར་འབྲེལ་བ་གནང་རོགས།",
    "fault_stage_given_up": "སློབ་ཚན་གྲ་སྒྲིག་ལ་དཀའ་ངལ་འདུག བརྙན་ཕབ་མུ་མཐུད་ཡོད། ལག་རྩལ་མི་སྣས་ལྟ་དགོས།",
    "fault_store_refuses": "ཉར་ཚགས་ས་གནས་ཀྱིས་སློབ་ཚན་ལེན་མི་འདུག སློབ་ཚན་འདིར་ཉར་ཡོད། ལག་རྩལ་མི་སྣས་ལྟ་དགོས།",
    "fault_store_unreachable": "ཉར་ཚགས་ས་གནས་དང་འབྲེལ་མཐུད་མི་འདུག སློབ་ཚན་འདིར་ཉར་ཡོད། འབྲེལ་མཐུད་བྱུང་རྗེས་གཏོང་གི་རེད།",
    "fault_lesson_stuck": "སློབ་ཚན་སྔོན་མ་ཞིག་ད་དུང་གྲ་སྒྲིག་ཟིན་མི་འདུག ཡང་བསྐྱར་ཚོད་ལྟ་བྱེད་ཀྱི་རེད།",
    "fault_lesson_damaged": "སློབ་ཚན་སྔོན་མ་ཞིག་ལ་སྐྱོན་ཤོར་འདུག ལག་རྩལ་མི་སྣས་ལྟ་དགོས།",
    "fault_disk_slow": "སྡུད་སྡེར་ཧ་ཅང་དལ་པོ་འདུག ལག་རྩལ་མི་སྣར་འབྲེལ་བ་གནང་རོགས།",
    "fault_disk_refuses": "སྡུད་སྡེར་ནང་འབྲི་མི་ཐུབ། ལག་རྩལ་མི་སྣར་འབྲེལ་བ་གནང་རོགས།",
    "fault_conductor_hangs": "མཐེབ་གནོན་ལ་འཕྲུལ་ཆས་ཀྱིས་ལན་སློག་མི་འདུག ལག་རྩལ་མི་སྣར་འབྲེལ་བ་གནང་རོགས།",
    "fault_clock_untrusted": "འཕྲུལ་ཆས་ཀྱི་དུས་ཚོད་ནོར་འདུག བརྙན་ཕབ་མུ་མཐུད་ཡོད།",
    "problem": "ལེགས་འགྲུབ་མ་བྱུང་།",
    "problem_hint": "ཡང་བསྐྱར་ཚོད་ལྟ་གནང་རོགས། ད་དུང་མི་འགྲིག་ན་ལག་རྩལ་མི་སྣར་འབྲེལ་བ་གནང་རོགས།",
}

CATALOGUE: Mapping[str, Mapping[str, str]] = {"en": _EN, "zh": _ZH, "bo": _BO}


def choose_language(asked: Iterable[str | None], accept: str, room: Iterable[str]) -> str:
    """The language of a page: the first known one that was asked for, else the browser's best, else the room's.

    `asked` are language tags in order (query, cookie), `accept` is an Accept-Language header, `room` the languages
    of the room in order; English where none is known.
    """
    for tag in (*asked, *_preferred(accept), *room):
        known = _known(tag)
        if known:
            return known
    return FALLBACK


def _known(tag: str | None) -> str | None:
    primary = (tag or "").strip().lower().replace("_", "-").split("-")[0]
    return primary if primary in CATALOGUE else None


def _preferred(accept: str) -> list[str]:
    """Tags of an Accept-Language header, most wanted first; those with weight 0 are left out."""
    weighted: list[tuple[float, str]] = []
    for part in accept.split(","):
        tag, _, weight = part.partition(";")
        try:
            quality = float(weight.strip().removeprefix("q=") or 1)
        except ValueError:
            continue
        if tag.strip() and quality > 0:
            weighted.append((quality, tag.strip()))
    return [tag for _, tag in sorted(weighted, key=lambda pair: -pair[0])]
